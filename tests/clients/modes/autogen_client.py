"""AutoGen's OpenAIChatCompletionClient."""

import asyncio
import json

from autogen_core.models import ModelFamily, UserMessage
from autogen_ext.models.openai import OpenAIChatCompletionClient
from report import KEY, LABELS, OPENAI_URL, TEXT, categorised, run

INFO = {
    "vision": False, "function_calling": True, "json_output": True, "structured_output": True,
    "family": ModelFamily.UNKNOWN,
}  # fmt: skip


def chat() -> object:
    client = OpenAIChatCompletionClient(model=LABELS, base_url=OPENAI_URL, api_key=KEY, model_info=INFO)
    answer = asyncio.run(client.create([UserMessage(content=TEXT, source="user")]))
    return categorised(json.loads(answer.content))


run({"chat": chat})
