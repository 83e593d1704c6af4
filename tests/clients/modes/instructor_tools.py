"""instructor in its default mode, tools."""

from typing import Literal

import instructor
from openai import OpenAI
from pydantic import BaseModel
from report import KEY, LABELS, OPENAI_URL, TEXT, categorised, run

client = OpenAI(base_url=OPENAI_URL, api_key=KEY)


class Triage(BaseModel):
    """What the answer is read into."""

    category: Literal["symptoms", "appointment", "billing", "needs_review"]


def extract(mode: instructor.Mode) -> object:
    asking = instructor.from_openai(client, mode=mode)
    messages = [{"role": "user", "content": TEXT}]
    return categorised(asking.chat.completions.create(model=LABELS, messages=messages, response_model=Triage))


run(
    {
        "structured output": lambda: extract(instructor.Mode.TOOLS),
        "structured output, JSON": lambda: extract(instructor.Mode.JSON),
        "structured output, JSON schema": lambda: extract(instructor.Mode.JSON_SCHEMA),
    }
)
