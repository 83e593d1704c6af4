"""Calls of ``/v1/responses`` with OpenAI's own client, for the tests of it."""

from __future__ import annotations

from typing import Any

from openai import AsyncOpenAI
from openai.types.responses import FunctionToolParam, Response

from tests.gateway.conftest import FREE_TEXT, House
from tests.gateway.inference.formats.conftest import MODEL

WEATHER: FunctionToolParam = {
    "type": "function",
    "name": "weather",
    "description": "Tell the weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": False,
}


async def client_of(house: House, policy: str = FREE_TEXT) -> AsyncOpenAI:
    """OpenAI's client with the key of a tenant, which asks once."""
    await house.publish(MODEL, policy)
    key = await house.tenant("firm", "legal")
    return AsyncOpenAI(base_url=f"{house.url}/v1", api_key=key, max_retries=0)


async def streamed(client: AsyncOpenAI, **more: Any) -> tuple[list[Any], Response]:
    """All events of a stream, and the response that the last one holds; the order of events is looked at."""
    stream = await client.responses.create(model=more.pop("model", MODEL), input="tell me", stream=True, **more)
    events: list[Any] = [event async for event in stream]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    opened: list[int] = []
    for event in events[2:-1]:
        if event.type == "response.output_item.added":
            assert event.output_index == len(opened)
            opened.append(event.output_index)
        assert event.output_index == opened[-1], "items come one after the other"
    return events, events[-1].response
