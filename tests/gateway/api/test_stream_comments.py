"""Streams that are silent for long: comments keep proxies from cutting them, once it is sure that a stream comes."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from postil.gateway.api.stream_comments import StreamComments
from tests.fakes.vllm import FakeVLLM, Reply
from tests.gateway.conftest import FREE_TEXT, TRIAGE, House, bearer, running_house, until

At = tuple[FakeVLLM, str]
COMMENT = ": keep-alive"
JUDGED = FREE_TEXT + "\nvalidators:\n  - name: blocklist\n    config: {phrases: [secret]}\n    on_fail: stop\n"
ASKED = {"messages": [{"role": "user", "content": "x"}], "stream": True}


@asynccontextmanager
async def quick(folder: Path, at: At, policy: str, **settings: Any) -> AsyncIterator[tuple[House, str]]:
    """A gateway that says very soon that a stream goes on, and a tenant's key."""
    async with running_house(folder, *at, stream_comment_seconds=0.02, **settings) as house:
        await house.publish("healthcare/triage", policy)
        yield house, await house.tenant("clinic", "healthcare")


async def lines_of(response: httpx.Response, house: House, gate: asyncio.Event) -> list[str]:
    """All lines of a stream; the engine goes on once two comments have come."""
    lines = []
    async for line in response.aiter_lines():
        lines.append(line)
        if lines.count(COMMENT) == 2:
            gate.set()
    return lines


def said(lines: list[str]) -> str:
    """The text of a stream."""
    events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    return "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])


@pytest.mark.parametrize("policy", [FREE_TEXT, JUDGED], ids=["passed on", "judged"])
async def test_a_stream_that_waits_in_the_engine_is_kept_alive(tmp_path: Path, engine_at: At, policy: str) -> None:
    async with quick(tmp_path, engine_at, policy) as (house, key):
        house.engine.reply = lambda body: Reply("all is well")
        house.engine.stream_gate.clear()
        async with house.client.stream("POST", "/v1/chat/completions", headers=bearer(key), json=ASKED) as response:
            assert response.status_code == 200
            lines = await lines_of(response, house, house.engine.stream_gate)
        assert said(lines) == "all is well"
        assert lines[-2:] == ["data: [DONE]", ""]


async def test_a_stream_that_is_held_until_it_is_whole_is_kept_alive(tmp_path: Path, engine_at: At) -> None:
    async with quick(tmp_path, engine_at, TRIAGE) as (house, key):
        house.engine.reply = lambda body: Reply('{"category": "billing"}', logprob=-1.0)
        house.engine.gate.clear()
        async with house.client.stream("POST", "/v1/chat/completions", headers=bearer(key), json=ASKED) as response:
            assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream")
            assert response.headers["x-postil-release"] == "healthcare/triage@1"
            lines = await lines_of(response, house, house.engine.gate)
        assert said(lines) == '{"category": "needs_review"}'
        notes = [json.loads(line[6:]).get("postil") for line in lines if line.startswith("data: {")]
        assert notes[-1]["fallback"].startswith("fixed_answer"), "the headers had left before it was known"


async def test_clients_pass_over_the_comments(tmp_path: Path, engine_at: At) -> None:
    async with quick(tmp_path, engine_at, FREE_TEXT) as (house, key):
        house.engine.reply, house.engine.pace_seconds = lambda body: Reply("one two three"), 0.1
        client = openai.AsyncOpenAI(base_url=f"{house.url}/v1", api_key=key)
        stream: Any = await client.chat.completions.create(
            model="healthcare/triage", messages=[{"role": "user", "content": "x"}], stream=True
        )
        parts = [chunk.choices[0].delta.content async for chunk in stream if chunk.choices]
        await client.close()
        assert "".join(part or "" for part in parts) == "one two three"


async def test_an_error_after_the_comments_is_an_event(tmp_path: Path, engine_at: At) -> None:
    async with quick(tmp_path, engine_at, TRIAGE) as (house, key):
        house.engine.reply = lambda body: Reply(status=500)
        house.engine.gate.clear()
        async with house.client.stream("POST", "/v1/chat/completions", headers=bearer(key), json=ASKED) as response:
            lines = await lines_of(response, house, house.engine.gate)
        last = [line for line in lines if line.startswith("data:")]
        assert len(last) == 1
        assert "error" in json.loads(last[0][6:])


async def test_nothing_is_said_before_the_status_is_decided(tmp_path: Path, engine_at: At) -> None:
    settings = {"max_concurrent_requests": 1, "queue_timeout_seconds": 0.3}
    async with quick(tmp_path, engine_at, TRIAGE, **settings) as (house, key):
        house.engine.gate.clear()
        first = asyncio.create_task(house.ask(key))
        await until(lambda: len(house.engine.requests) == 1)
        late = await house.ask(key, stream=True)
        assert late.status_code == 504, "a stream that queues may still get another status"
        house.engine.gate.set()
        assert (await first).status_code == 200


async def test_whole_answers_and_quick_streams_have_no_comments(house: House, clinic: str) -> None:
    for stream in (False, True):
        response = await house.ask(clinic, stream=stream)
        assert COMMENT not in response.text
        assert response.headers["x-postil-release"] == "healthcare/triage@1"


async def test_a_client_that_leaves_while_its_stream_is_kept_alive_ends_it(tmp_path: Path, engine_at: At) -> None:
    async with quick(tmp_path, engine_at, TRIAGE) as (house, key):
        house.engine.gate.clear()
        async with house.client.stream("POST", "/v1/chat/completions", headers=bearer(key), json=ASKED) as response:
            await anext(response.aiter_lines())
        await until(lambda: house.engine.cancelled == 1)
        await until(lambda: house.runtime.traffic.in_flight == 0)


async def test_what_is_being_said_is_said_before_the_answer_goes_on() -> None:
    said, go_on = [], asyncio.Event()

    async def say() -> None:
        await go_on.wait()
        said.append("comment")

    comments = StreamComments(say, 0.001)
    comments.start()
    comments.start()
    settled = asyncio.create_task(until(lambda: comments._saying is not None))
    await settled
    ending = asyncio.create_task(comments.settle())
    go_on.set()
    await ending
    assert said == ["comment"]


async def test_without_a_time_nothing_is_ever_said() -> None:
    async def say() -> None:
        raise AssertionError("it is never said")

    comments = StreamComments(say, 0)
    comments.start()
    await comments.settle()
    comments.cancel()


def test_what_has_ended_leaves_nothing_for_the_collector() -> None:
    class Wire:
        def __init__(self) -> None:
            self.comments = StreamComments(self.say, 15.0)

        async def say(self) -> None: ...

    gc.disable()
    try:
        wire = Wire()
        gone = weakref.ref(wire)
        wire.comments.cancel()
        del wire
        assert gone() is None
    finally:
        gc.enable()
