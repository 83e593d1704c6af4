"""LlamaIndex's OpenAILike."""

import json
from typing import Literal

from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel
from report import KEY, LABELS, OPENAI_URL, TEXT, categorised, run

plain = OpenAILike(model=LABELS, api_base=OPENAI_URL, api_key=KEY, is_chat_model=True)
calling = OpenAILike(model=LABELS, api_base=OPENAI_URL, api_key=KEY, is_chat_model=True, is_function_calling_model=True)


class Triage(BaseModel):
    """What the answer is read into."""

    category: Literal["symptoms", "appointment", "billing", "needs_review"]


run(
    {
        "chat": lambda: categorised(json.loads(plain.chat([ChatMessage(role="user", content=TEXT)]).message.content)),
        "structured output": lambda: categorised(calling.structured_predict(Triage, PromptTemplate(TEXT))),
    }
)
