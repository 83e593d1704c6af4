"""magentic's prompt functions."""

from typing import Literal

from magentic import OpenaiChatModel, prompt
from pydantic import BaseModel
from report import KEY, LABELS, OPENAI_URL, TEXT, categorised, run


class Triage(BaseModel):
    """What the answer is read into."""

    category: Literal["symptoms", "appointment", "billing", "needs_review"]


@prompt("{text}", model=OpenaiChatModel(LABELS, base_url=OPENAI_URL, api_key=KEY))
def triage(text: str) -> Triage:
    """Sort a message."""
    raise NotImplementedError


run({"structured output": lambda: categorised(triage(TEXT))})
