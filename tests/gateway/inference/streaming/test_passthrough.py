"""Events passing through, however the engine's bytes are cut."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postil.gateway.errors import EngineUnavailableError
from postil.gateway.inference.formats import Kind
from postil.gateway.inference.record import RequestOutcome, RequestRecord
from postil.gateway.inference.request import CompletionRequest
from postil.gateway.inference.routing.catalog import Route
from postil.gateway.inference.streaming.passthrough import ended_cleanly, whole_events
from postil.gateway.tenancy.directory import Caller
from postil.registry.releases.channels import STABLE
from tests.gateway.conftest import FREE_TEXT, House
from tests.gateway.inference.routing.test_catalog import RELEASES

INSIDE, OUTSIDE = "postil-0123456789abcdef", "legal/notes"


async def chunks_of(data: bytes, cuts: Iterable[int]) -> AsyncIterator[bytes]:
    """The data in pieces."""
    edges = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    for start, end in pairwise(edges):
        yield data[start:end]


async def collected(chunks: AsyncIterator[bytes]) -> list[bytes]:
    """All pieces."""
    return [chunk async for chunk in chunks]


@given(texts=st.lists(st.text(), max_size=6), cuts=st.lists(st.integers(min_value=0), max_size=30))
def test_the_name_is_replaced_and_nothing_else_however_it_is_cut(texts: list[str], cuts: list[int]) -> None:
    events = [json.dumps({"model": INSIDE, "text": text}, ensure_ascii=False) for text in texts]
    data = "".join(f"data: {event}\n\n" for event in [*events, "[DONE]"]).encode()
    out = asyncio.run(collected(whole_events(chunks_of(data, cuts), INSIDE, OUTSIDE)))
    assert b"".join(out) == data.replace(INSIDE.encode(), OUTSIDE.encode())
    assert all(chunk.endswith(b"\n\n") for chunk in out)


async def test_a_stream_that_breaks_off_ends_with_an_error_and_not_as_if_whole() -> None:
    async def breaks() -> AsyncIterator[bytes]:
        yield b'data: {"text":"half"}\n\n'
        raise EngineUnavailableError("gone")

    for broken in (breaks(), chunks_of(b'data: {"text":"half"}\n\n', [])):
        *_, last = await collected(ended_cleanly(broken))
        assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "engine_unavailable"


async def test_a_whole_stream_is_left_alone() -> None:
    data = b'data: {"text":"all"}\n\ndata: [DONE]\n\n'
    assert b"".join(await collected(ended_cleanly(chunks_of(data, [30])))) == data


DIES = [
    b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"so "},"finish_reason":null}]}\n\n',
    b'data: {"error": {"message": "EngineCore encountered an issue. See stack trace (above) for the root cause.",'
    b' "type": "InternalServerError", "param": null, "code": 500}}\n\n',
    b"data: [DONE]\n\n",
]
WINDOW = "validators: [{name: blocklist, config: {phrases: [secret]}, on_fail: stop}]"


@pytest.mark.parametrize("policy", [None, FREE_TEXT, WINDOW])
async def test_a_stream_whose_engine_dies_tells_nothing_of_vllm_and_is_not_done(
    house: House, policy: str | None
) -> None:
    if policy is not None:
        await house.publish("legal/notes", policy)
    house.engine.raw = lambda body: DIES
    key = await house.tenant("firm", "legal")
    model = "base" if policy is None else "legal"
    response = await house.ask(key, model=model, stream=True)
    assert "EngineCore" not in response.text
    assert "InternalServerError" not in response.text
    assert "[DONE]" not in response.text
    *_, last = response.text.removesuffix("\n\n").split("\n\n")
    error = json.loads(last.removeprefix("data: "))["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert (error["type"], error["code"]) == ("service_unavailable", "engine_unavailable")


async def test_an_engine_that_dies_in_the_middle_is_an_error_event_for_the_client(house: House) -> None:
    await house.publish("legal/notes", FREE_TEXT)
    key = await house.tenant("firm", "legal")
    house.engine.break_off_after = 3
    response = await house.ask(key, stream=True)
    assert response.status_code == 200
    assert "[DONE]" not in response.text
    assert '"code":"engine_unavailable"' in response.text.split("\n\n")[-2]


async def test_what_goes_wrong_after_the_end_is_nothing_to_the_answer() -> None:
    data = b'data: {"text":"all"}\n\ndata: [DONE]\n\n'

    async def breaks() -> AsyncIterator[bytes]:
        yield data
        raise EngineUnavailableError("gone")

    asked = CompletionRequest(Kind.CHAT, {}, None, False, True)
    record = RequestRecord.start(Route(RELEASES[1], STABLE), Caller("clinic", frozenset()), asked)
    assert b"".join(await collected(ended_cleanly(breaks(), record))) == data
    assert (record.engine_error, record.outcome) == (False, RequestOutcome.ANSWERED)
