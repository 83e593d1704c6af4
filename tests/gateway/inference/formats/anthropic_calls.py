"""Calls of ``/v1/messages`` with Anthropic's own client, for the tests of it."""

from __future__ import annotations

from anthropic import AsyncAnthropic
from anthropic.types import Message, MessageParam, ToolParam

from tests.gateway.conftest import FREE_TEXT, House
from tests.gateway.inference.formats.conftest import MODEL

HELLO: list[MessageParam] = [{"role": "user", "content": "hello"}]
WEATHER: ToolParam = {
    "name": "weather",
    "description": "Tell the weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "cache_control": {"type": "ephemeral"},
}


async def client_of(house: House, policy: str = FREE_TEXT) -> AsyncAnthropic:
    """Anthropic's client with the key of a tenant, which asks once."""
    await house.publish(MODEL, policy)
    return anthropic_client(house, await house.tenant("firm", "legal"))


def anthropic_client(house: House, key: str) -> AsyncAnthropic:
    """Anthropic's client with a key, which asks once."""
    return AsyncAnthropic(base_url=house.url, api_key=key, max_retries=0)


def text_of(message: Message) -> str:
    """The text of an answer."""
    return "".join(block.text for block in message.content if block.type == "text")
