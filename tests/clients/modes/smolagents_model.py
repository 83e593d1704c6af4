"""smolagents' OpenAIModel."""

import json

from report import KEY, LABELS, OPENAI_URL, TEXT, categorised, run
from smolagents import OpenAIServerModel

model = OpenAIServerModel(LABELS, api_base=OPENAI_URL, api_key=KEY)
MESSAGES = [{"role": "user", "content": [{"type": "text", "text": TEXT}]}]

run({"chat": lambda: categorised(json.loads(model.generate(MESSAGES).content))})
