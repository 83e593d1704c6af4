"""Semantic Kernel's OpenAIChatCompletion."""

import asyncio
import json

from openai import AsyncOpenAI
from report import KEY, LABELS, OPENAI_URL, TEXT, categorised, run
from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion, OpenAIChatPromptExecutionSettings
from semantic_kernel.contents import ChatHistory


async def asked() -> str:
    client = AsyncOpenAI(base_url=OPENAI_URL, api_key=KEY)
    service = OpenAIChatCompletion(ai_model_id=LABELS, async_client=client)
    history = ChatHistory()
    history.add_user_message(TEXT)
    return str(await service.get_chat_message_content(history, OpenAIChatPromptExecutionSettings()))


run({"chat": lambda: categorised(json.loads(asyncio.run(asked())))})
