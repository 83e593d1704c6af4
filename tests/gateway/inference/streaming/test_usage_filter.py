"""A stream that is counted on its way: the client sees what the engine alone would have sent it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postil.gateway.engine.decode import UnreadableAnswerError
from postil.gateway.inference.streaming.usage_filter import Fingerprint, UsageFilter, of_answer

DONE = b"data: [DONE]\n\n"
PRINT = "vllm-0.32.0-tp1-0123abcd"
# What could be mistaken for the engine's own words.
TRAPS = [
    ',"usage":{"prompt_tokens":1}',
    '"choices":[]',
    '"finish_reason":"stop"',
    "data: [DONE]",
    "\n\n",
    "}",
    '","',
    "ö",
    '"system_fingerprint":"x"',
    "usage",
    "\\",
    ',"usage":',
    '{"index":7',
]


def used(prompt: int, completion: int) -> dict[str, Any]:
    """The engine's count, as vLLM writes it."""
    return {"prompt_tokens": prompt, "total_tokens": prompt + completion, "completion_tokens": completion}


def event(**body: Any) -> bytes:
    """One event, written as vLLM writes it."""
    return b"data: " + json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"


def vllm(
    said: list[tuple[int, str]],
    *,
    chat: bool,
    total: bool,
    each: bool,
    n: int = 1,
    named: str | None = PRINT,
) -> list[bytes]:
    """What vLLM 0.32 sends: ``said`` are choices and pieces of them, ``total`` and ``each`` what it was asked."""
    head = {"id": "cmpl-1", "object": "chunk", "created": 7, "model": "base"}
    counts = dict.fromkeys(range(n), 0)
    events = []

    def add(choice: int, piece: str, finish: str | None) -> None:
        part: dict[str, Any] = {"delta": {"content": piece}} if chat else {"text": piece}
        body = {**head, "choices": [{"index": choice, **part, "logprobs": None, "finish_reason": finish}]}
        if total and each:
            body["usage"] = used(5, counts[choice])
        elif named and finish and not total:
            body["system_fingerprint"] = named
        events.append(event(**body))

    for choice, piece in said:
        counts[choice] += 1
        add(choice, piece, None)
    for choice in range(n):
        add(choice, "", "stop")
    if total:
        more = {"system_fingerprint": named} if named else {}
        events.append(event(**head, choices=[], usage=used(5, sum(counts.values())), **more))
    return [*events, DONE]


async def passed(passing: UsageFilter, chunks: Iterable[bytes]) -> list[bytes]:
    """What goes on to the client, write by write."""

    async def reads() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    return [out async for out in passing.filter(reads())]


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    """The same bytes in other reads."""
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges) if end > start]


PIECES = st.lists(st.text(max_size=8) | st.sampled_from(TRAPS), max_size=12)
WISHES = st.sampled_from([(False, False), (True, False), (True, True)])


@given(PIECES, st.booleans(), WISHES, st.lists(st.integers(0, 10**6), max_size=8), st.sampled_from([PRINT, None]))
def test_the_client_gets_what_the_engine_alone_would_send(
    pieces: list[str], chat: bool, wishes: tuple[bool, bool], places: list[int], named: str | None
) -> None:
    total, each = wishes
    said = [(0, piece) for piece in pieces]
    alone = vllm(said, chat=chat, total=total, each=each, named=named)
    counted = vllm(said, chat=chat, total=True, each=True, named=named)
    passing = UsageFilter(Fingerprint(), total=total, each=each, choices=None)
    out = asyncio.run(passed(passing, cut(b"".join(counted), places)))
    assert b"".join(out) == b"".join(alone)
    assert all(one.endswith(b"\n\n") for one in out)
    assert passing.used() == (5, len(pieces))


SEVERAL = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(TRAPS)), max_size=12)


@given(SEVERAL, st.booleans(), WISHES, st.booleans())
def test_so_it_does_where_there_are_several_choices(
    said: list[tuple[int, str]], chat: bool, wishes: tuple[bool, bool], known: bool
) -> None:
    total, each = wishes
    fingerprint = Fingerprint()
    if known:
        fingerprint.written = f',"system_fingerprint":"{PRINT}"'.encode()
    passing = UsageFilter(fingerprint, total=total, each=each, choices=3)
    out = asyncio.run(passed(passing, vllm(said, chat=chat, total=True, each=True, n=3)))
    assert b"".join(out) == b"".join(vllm(said, chat=chat, total=total, each=each, n=3))
    assert passing.used() == (5, len(said))
    if known and not total:
        assert len(out) == len(said) + 3 + 1, "nothing waits for the total"


@given(PIECES.filter(bool), st.integers(0, 10**6), st.booleans())
def test_a_stream_that_is_cut_off_is_counted_up_to_there(pieces: list[str], place: int, chat: bool) -> None:
    events = vllm([(0, piece) for piece in pieces], chat=chat, total=True, each=True)
    upto = 1 + place % len(pieces)
    passing = UsageFilter(Fingerprint(), total=False, each=False, choices=None)
    out = asyncio.run(passed(passing, events[:upto]))
    assert b"".join(out) == b"".join(vllm([(0, piece) for piece in pieces], chat=chat, total=False, each=False)[:upto])
    assert passing.used() == (5, upto)


def test_of_several_prompts_each_is_counted_once() -> None:
    def chunk(index: int, prompt: int, completion: int) -> bytes:
        choice = {"index": index, "text": "x", "finish_reason": None}
        return event(id="1", choices=[choice], usage=used(prompt, completion))

    passing = UsageFilter(Fingerprint(), total=False, each=False, choices=2)
    asyncio.run(passed(passing, [chunk(0, 5, 1), chunk(1, 5, 1), chunk(2, 9, 1), chunk(0, 5, 2), chunk(3, 9, 4)]))
    assert passing.used() == (14, 2 + 1 + 1 + 4)


def test_an_engine_that_breaks_off_after_the_end_of_a_choice_loses_nothing() -> None:
    *events, _, _ = vllm([(0, "a")], chat=True, total=True, each=True)
    passing = UsageFilter(Fingerprint(), total=False, each=False, choices=None)
    out = asyncio.run(passed(passing, events))
    assert json.loads(out[-1].removeprefix(b"data: "))["choices"][0]["finish_reason"] == "stop"
    assert passing.used() == (5, 1)


def test_an_engine_that_does_not_count_is_passed_on_as_it_is() -> None:
    events = [
        event(choices=[{"index": 0, "delta": {"content": "a"}, "finish_reason": None}]),
        event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]),
        DONE,
    ]
    passing = UsageFilter(Fingerprint(), total=False, each=False, choices=None)
    assert asyncio.run(passed(passing, events)) == events
    assert passing.used() is None


@pytest.mark.parametrize("usage", [{"prompt_tokens": "many"}, {"prompt_tokens": 1.5}])
@pytest.mark.parametrize("wishes", [(False, False), (True, True)])
def test_a_count_that_cannot_be_read_breaks_no_answer(usage: dict[str, Any], wishes: tuple[bool, bool]) -> None:
    passing = UsageFilter(Fingerprint(), total=wishes[0], each=wishes[1], choices=None)
    asyncio.run(passed(passing, [event(choices=[{"index": 0}], usage=usage), DONE]))
    assert passing.used() is None


def test_an_engine_that_does_not_count_is_passed_on_to_who_asked_for_counts_too() -> None:
    events = [event(choices=[{"index": 0, "delta": {"content": "a"}, "finish_reason": None}]), DONE]
    passing = UsageFilter(Fingerprint(), total=True, each=True, choices=None)
    assert asyncio.run(passed(passing, events)) == events
    assert passing.used() is None


def test_counts_with_details_are_cut_out_whole() -> None:
    detailed = {**used(5, 1), "completion_tokens_details": {"reasoning_tokens": 1}, "prompt_tokens_details": None}
    choice = {"index": 0, "delta": {"content": "a"}, "finish_reason": None}
    passing = UsageFilter(Fingerprint(), total=False, each=False, choices=None)
    two = event(choices=[choice], usage=detailed) + event(choices=[choice], usage={**detailed, "completion_tokens": 2})
    assert asyncio.run(passed(passing, [two])) == [2 * event(choices=[choice])]
    assert passing.used() == (5, 2)


@pytest.mark.parametrize(
    ("body", "tokens"),
    [(b'{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}', (3, 4)), (b'{"choices":[]}', None),
     (b'{"choices":[],"usage":null}', None), (b'{"choices":[],"usage":"3"}', None),
     (b'{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":null}}', (3, 0))],
)  # fmt: skip
def test_a_whole_answer_says_what_it_took(body: bytes, tokens: tuple[int, int] | None) -> None:
    assert of_answer(body) == tokens


@pytest.mark.parametrize("body", [b"{}", b"<html>", b"[]", b'{"choices":null}', b'{"choices":["a"]}', b"\xff"])
def test_what_is_no_answer_is_no_answer_without_a_count(body: bytes) -> None:
    with pytest.raises(UnreadableAnswerError, match="cannot be read"):
        of_answer(body)


@pytest.mark.parametrize("chunks", [[b"<html><p>Log in</p>"], [b'{"error":"x"}'], [b"data: " + b"x" * (9 << 20)]])
def test_what_is_no_stream_of_events_does_not_pass(chunks: list[bytes]) -> None:
    passing = UsageFilter(Fingerprint(), total=False, each=False, choices=None)
    with pytest.raises(UnreadableAnswerError, match="cannot be read"):
        asyncio.run(passed(passing, chunks))
    assert passing.broken
