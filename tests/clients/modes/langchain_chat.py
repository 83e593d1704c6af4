"""LangChain's ChatOpenAI."""

import json
from typing import Literal

from langchain_openai import ChatOpenAI
from pydantic import BaseModel
from report import FREE, KEY, LABELS, OPENAI_URL, TEXT, categorised, run, worded

model = ChatOpenAI(model=LABELS, base_url=OPENAI_URL, api_key=KEY)
talker = ChatOpenAI(model=FREE, base_url=OPENAI_URL, api_key=KEY, max_tokens=16)


class Triage(BaseModel):
    """What the answer is read into."""

    category: Literal["symptoms", "appointment", "billing", "needs_review"]


run(
    {
        "chat": lambda: categorised(json.loads(model.invoke(TEXT).content)),
        "chat, streamed": lambda: worded("".join(chunk.content for chunk in talker.stream(TEXT))),
        "structured output": lambda: categorised(model.with_structured_output(Triage).invoke(TEXT)),
        "tools": lambda: categorised(model.bind_tools([Triage]).invoke(TEXT).tool_calls[0]["args"]),
    }
)
