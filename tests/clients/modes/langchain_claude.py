"""LangChain's ChatAnthropic."""

import json
from typing import Literal

from langchain_anthropic import ChatAnthropic
from pydantic import BaseModel
from report import KEY, LABELS, TEXT, URL, categorised, run

model = ChatAnthropic(model=LABELS, base_url=URL, api_key=KEY, max_tokens=32)


class Triage(BaseModel):
    """What the answer is read into."""

    category: Literal["symptoms", "appointment", "billing", "needs_review"]


run(
    {
        "messages": lambda: categorised(json.loads(model.invoke(TEXT).content)),
        "structured output": lambda: categorised(model.with_structured_output(Triage).invoke(TEXT)),
    }
)
