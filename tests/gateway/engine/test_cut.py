"""Nobody waits for an engine that was given up, and one that is only busy is not given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from postil.gateway.engine.client import EngineClient
from postil.gateway.engine.health.hang_probe import is_making_progress
from postil.gateway.errors import EngineUnavailableError
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import until

ASKED = {"model": "base", "messages": [{"role": "user", "content": "x"}]}
CHAT = "/v1/chat/completions"


@pytest.fixture
async def client(engine_at: tuple[FakeVLLM, str]) -> AsyncIterator[EngineClient]:
    """A client of the fake engine."""
    made = EngineClient(engine_at[1], timeout_seconds=60)
    yield made
    await made.close()


async def test_who_waits_for_an_answer_is_told_at_once_and_not_asked_for_again(
    client: EngineClient, engine_at: tuple[FakeVLLM, str]
) -> None:
    engine, _ = engine_at
    engine.gate.clear()
    asking = asyncio.create_task(client.post(CHAT, ASKED))
    await until(lambda: len(engine.requests) == 1)
    await client.cut()
    with pytest.raises(EngineUnavailableError):
        await asyncio.wait_for(asking, 5)
    assert len(engine.requests) == 1


async def test_a_stream_that_stands_still_is_told_at_once(
    client: EngineClient, engine_at: tuple[FakeVLLM, str]
) -> None:
    engine, _ = engine_at
    engine.raw = lambda body: (b"data: one\n\n", b"")
    async with client.stream(CHAT, {**ASKED, "stream": True}) as chunks:
        assert await anext(chunks) == b"data: one\n\n"
        rest = asyncio.ensure_future(anext(chunks))
        await asyncio.sleep(0)
        await client.cut()
        with pytest.raises(EngineUnavailableError):
            await asyncio.wait_for(rest, 5)
    engine.raw = None
    assert await client.post(CHAT, ASKED)


async def test_an_engine_is_at_work_if_the_probe_is_answered(client: EngineClient) -> None:
    assert await is_making_progress(client, lambda: client.post(CHAT, ASKED), 5)


async def test_an_engine_is_at_work_if_another_stream_goes_on_while_the_probe_waits(
    client: EngineClient, engine_at: tuple[FakeVLLM, str]
) -> None:
    engine, _ = engine_at
    engine.gate.clear()
    client.activity.asked()
    judged = asyncio.create_task(is_making_progress(client, lambda: client.post(CHAT, ASKED), 10))
    await until(lambda: len(engine.requests) == 1)
    client.activity.heard()
    assert await judged


async def test_an_engine_is_hung_if_nothing_comes(client: EngineClient, engine_at: tuple[FakeVLLM, str]) -> None:
    engine, _ = engine_at
    engine.gate.clear()
    assert not await is_making_progress(client, lambda: client.post(CHAT, ASKED), 0.5)


async def test_one_whose_count_cannot_be_read_any_more_has_not_counted_more(
    client: EngineClient, engine_at: tuple[FakeVLLM, str]
) -> None:
    engine, _ = engine_at
    engine.counts = [b"vllm:generation_tokens_total 7.0\n"]  # And then an error, each time.
    engine.gate.clear()
    assert not await is_making_progress(client, lambda: client.post(CHAT, ASKED), 2)
    engine.gate.set()


async def test_one_that_counts_more_tokens_is_at_work(client: EngineClient, engine_at: tuple[FakeVLLM, str]) -> None:
    engine, _ = engine_at
    engine.counts = [b"vllm:generation_tokens_total %d.0\n" % number for number in range(9)]
    engine.gate.clear()
    assert await is_making_progress(client, lambda: client.post(CHAT, ASKED), 20)
    engine.gate.set()
