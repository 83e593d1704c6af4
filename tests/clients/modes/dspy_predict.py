"""DSPy."""

import dspy
from report import FREE, KEY, OPENAI_URL, TEXT, run, worded

dspy.configure(lm=dspy.LM(f"openai/{FREE}", api_base=OPENAI_URL, api_key=KEY, max_tokens=32))

run({"lm": lambda: worded(dspy.settings.lm(TEXT)[0])})
