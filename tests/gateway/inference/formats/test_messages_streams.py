"""Streams of ``/v1/messages``, read by Anthropic's own client."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from postil.gateway.telemetry import metric_table as metrics
from tests.fakes.sse import INSIDE, Said, call, engine_stream
from tests.gateway.api.test_metrics import scraped
from tests.gateway.conftest import FREE_TEXT, House
from tests.gateway.inference.formats.anthropic_calls import HELLO, WEATHER, client_of, text_of
from tests.gateway.inference.formats.conftest import MODEL, REPLACE, STOP, says

BROKE_OFF = "the engine broke off in the middle of the answer; ask again"


async def test_a_stream_has_the_events_of_the_api(firm: House) -> None:
    said = engine_stream([(0, "so "), (0, "good")], usage=True)
    firm.engine.raw = lambda body: [one.replace(INSIDE.encode(), body["model"].encode()) for one in said]
    async with await client_of(firm) as client:
        stream = await client.messages.create(model=MODEL, max_tokens=64, messages=HELLO, stream=True)
        events: list[Any] = [event async for event in stream]
        assert [event.type for event in events] == [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
        assert (events[0].message.model, events[0].message.usage.input_tokens) == (MODEL, 3)
        assert (events[-2].delta.stop_reason, events[-2].usage.output_tokens) == ("end_turn", 2)
        async with client.messages.stream(model=MODEL, max_tokens=64, messages=HELLO) as helper:
            assert [text async for text in helper.text_stream] == ["so ", "good"]
            final = await helper.get_final_message()
        assert (text_of(final), final.usage.input_tokens, final.usage.output_tokens) == ("so good", 3, 2)


async def test_a_ping_comes_with_the_first_event(firm: House) -> None:
    async with await client_of(firm) as client:
        body = {"model": MODEL, "max_tokens": 9, "messages": HELLO, "stream": True}
        answer = await firm.client.post("/v1/messages", headers={"x-api-key": str(client.api_key)}, json=body)
    names = [line.removeprefix("event: ") for line in answer.text.splitlines() if line.startswith("event: ")]
    assert names[:3] == ["message_start", "ping", "content_block_start"]
    assert names[-1] == "message_stop"


async def test_tool_calls_are_streamed(firm: House) -> None:
    said: Said = [
        (0, "I look."),
        (0, call(0, "weather", "", "call_0f")),
        (0, call(0, arguments='{"city"')),
        (0, call(0, arguments=': "Bern"}')),
        (0, call(1, "weather", '{"city": "Basel"}', "call_1f")),
    ]
    firm.engine.raw = lambda body: engine_stream(said, finish="tool_calls")
    async with (
        await client_of(firm) as client,
        client.messages.stream(model="base", max_tokens=64, messages=HELLO, tools=[WEATHER]) as stream,
    ):
        opened: list[int] = []
        async for event in stream:
            if event.type == "content_block_start":
                opened.append(event.index)
            if event.type in ("content_block_delta", "content_block_stop"):
                assert event.index == opened[-1], "blocks come one after the other"
        final = await stream.get_final_message()
    assert final.stop_reason == "tool_use"
    assert text_of(final) == "I look."
    assert [block.input for block in final.content if block.type == "tool_use"] == [{"city": "Bern"}, {"city": "Basel"}]


async def test_an_answer_that_a_check_replaces_midway_is_a_valid_stream(firm: House) -> None:
    said: Said = [(0, "so "), (0, "ba"), (0, "d it is"), (0, " and on")]
    firm.engine.raw = lambda body: engine_stream(said, usage=True)
    async with (
        await client_of(firm, REPLACE) as client,
        client.messages.stream(model=MODEL, max_tokens=64, messages=HELLO) as stream,
    ):
        events: list[Any] = [event async for event in stream]
        final = await stream.get_final_message()
    assert (text_of(final), final.stop_reason) == ("so I cannot say.", "refusal")
    (delta,) = [event for event in events if event.type == "message_delta"]
    assert delta.to_dict()["postil"] == {"fallback": "replace (ban: forbidden)"}


async def test_a_call_that_a_check_stops_midway_is_a_valid_stream_and_none_in_a_whole_answer(firm: House) -> None:
    arguments = '{"city": "Bern", "why": "bad"}'
    said: Said = [(0, "I look it up"), (0, call(0, "weather", arguments, "call_0f"))]
    firm.engine.raw = lambda body: engine_stream(said, finish="tool_calls")
    function = {"name": "weather", "arguments": arguments}
    called = [{"id": "call_0f", "type": "function", "function": function}]
    says(firm, "", finish_reason="tool_calls", beside={"content": "I look it up", "tool_calls": called})
    async with await client_of(firm, STOP) as client:
        async with client.messages.stream(model=MODEL, max_tokens=64, messages=HELLO, tools=[WEATHER]) as stream:
            streamed = await stream.get_final_message()
        whole = await client.messages.create(model=MODEL, max_tokens=64, messages=HELLO, tools=[WEATHER])
    assert (text_of(streamed), streamed.stop_reason) == ("I look it up", "refusal")
    assert ([block.type for block in whole.content], whole.stop_reason) == (["text"], "refusal")
    assert "bad" not in streamed.to_json() + whole.to_json()


async def test_a_stream_that_breaks_off_is_an_error(firm: House) -> None:
    firm.engine.raw = lambda body: engine_stream([(0, "so good")], done=False)[:-1]
    async with await client_of(firm) as client:
        stream = await client.messages.create(model=MODEL, max_tokens=64, messages=HELLO, stream=True)
        with pytest.raises(anthropic.APIStatusError, match="broke off") as caught:
            async for _ in stream:
                pass
    assert caught.value.body == {"type": "error", "error": {"type": "overloaded_error", "message": BROKE_OFF}}


@pytest.mark.parametrize("policy", [FREE_TEXT, STOP])
async def test_a_stream_that_cannot_be_read_ends_although_the_engine_goes_on(firm: House, policy: str) -> None:
    def goes_on(_: Any) -> Iterator[bytes]:
        yield from engine_stream([(0, "so good")], done=False)[:-1]
        yield b'data: {"choices": 7}\n\n'
        yield b""  # Until the gateway leaves.

    firm.engine.raw = goes_on
    async with asyncio.timeout(30), await client_of(firm, policy) as client:
        stream = await client.messages.create(model=MODEL, max_tokens=64, messages=HELLO, stream=True)
        with pytest.raises(anthropic.APIStatusError, match="engine"):
            async for _ in stream:
                pass
    assert (await scraped(firm))[metrics.REQUESTS, (MODEL, "1", "stable", "engine_error")] == 1
