"""What an answer says, whatever form it comes in; and counts that outlive a database that is away."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postil.gateway.inference import responses as answers
from postil.gateway.inference.formats import Kind
from postil.gateway.inference.record import RequestRecord
from postil.gateway.inference.request import CompletionRequest
from postil.gateway.inference.routing.catalog import Route
from postil.gateway.inference.shadow import AgreementCounts, Shadows, same, texts_of
from postil.gateway.inference.streaming.whole_answer import as_events
from postil.gateway.tenancy.directory import Caller
from tests.gateway.inference.routing.test_catalog import RELEASES

TEXTS = st.lists(st.text(max_size=20), min_size=1, max_size=3)
CALLER = Caller("clinic", frozenset({"healthcare"}))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def answer(kind: Kind, texts: list[str], calls: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """A whole answer with a choice for each text."""
    message = {"role": "assistant", "tool_calls": calls}
    return {
        "id": "1", "created": 1, "model": "m", "usage": None,
        "choices": [
            {"index": index, "finish_reason": "stop",
             **({"text": text} if kind is Kind.TEXT else {"message": {**message, "content": text}})}
            for index, text in enumerate(texts)
        ],
    }  # fmt: skip


def both(kind: Kind, whole: dict[str, Any]) -> tuple[bytes, bytes]:
    """An answer as JSON and as a stream."""
    return answers.as_json(whole), as_events(whole, CompletionRequest(kind, {}, None, True, True), {})


@pytest.mark.parametrize("kind", Kind)
@given(texts=TEXTS)
@settings(deadline=None, max_examples=60)
def test_an_answer_says_the_same_whole_and_streamed(kind: Kind, texts: list[str]) -> None:
    whole, streamed = both(kind, answer(kind, texts))
    assert texts_of(kind, whole) == texts_of(kind, streamed) == texts


@given(TEXTS, st.lists(st.integers(1, 6), max_size=4))
@settings(deadline=None, max_examples=60)
def test_it_does_not_matter_how_a_stream_is_cut(texts: list[str], cuts: list[int]) -> None:
    events = []
    for index, text in enumerate(texts):
        rest = text
        for cut in [*cuts, len(text)]:
            piece, rest = rest[:cut], rest[cut:]
            events.append({"choices": [{"index": index, "delta": {"content": piece}}]})
    raw = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"
    assert texts_of(Kind.CHAT, raw) == texts


def call(name: str, arguments: str, made: str) -> dict[str, Any]:
    """A call of a tool."""
    return {"id": made, "type": "function", "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize(
    ("theirs", "agreed"),
    [
        ([call("book", '{"day": 1}', "b")], True), ([call("book", '{"day": 2}', "b")], False),
        ([call("cancel", '{"day": 1}', "b")], False), ([], False), (None, False),
    ],
)  # fmt: skip
def test_the_tools_that_are_called_are_part_of_what_is_said(theirs: list[dict[str, Any]] | None, agreed: bool) -> None:
    ours = both(Kind.CHAT, answer(Kind.CHAT, [""], [call("book", '{"day": 1}', "a")]))
    other = both(Kind.CHAT, answer(Kind.CHAT, [""], theirs))
    for one in ours:
        for two in other:
            assert same(texts_of(Kind.CHAT, one), texts_of(Kind.CHAT, two)) is agreed


@given(JSON, st.integers(0, 4))
@settings(deadline=None, max_examples=60)
def test_json_of_the_same_value_is_the_same_however_it_is_written(value: Any, indent: int) -> None:
    assert same([json.dumps(value)], [json.dumps(value, indent=indent, sort_keys=True)])


@given(TEXTS, TEXTS)
@settings(deadline=None, max_examples=60)
def test_being_the_same_is_mutual_and_holds_of_oneself(one: list[str], two: list[str]) -> None:
    assert same(one, one)
    assert same(one, two) is same(two, one)


def test_another_number_of_answers_is_another_answer() -> None:
    assert not same(["a"], ["a", "a"])
    assert not same([], ["a"])


def traced(shadows: Shadows) -> RequestRecord:
    """A request that stable has answered and that a shadow gets a copy of."""
    ask = CompletionRequest(Kind.CHAT, {"messages": []}, None, False, False)
    record = RequestRecord.start(Route(RELEASES[1], "stable", shadow=RELEASES[2]), CALLER, ask, [shadows])
    assert record.raw is not None
    record.raw.append(answers.as_json(answer(Kind.CHAT, ["yes"])))
    return record


async def settled() -> None:
    """Every other task has ended."""
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task is not asyncio.current_task()))


async def test_counts_that_could_not_be_stored_are_kept_and_added_to() -> None:
    stored, broken = list[AgreementCounts](), True

    async def complete(caller: Caller, ask: CompletionRequest) -> bytes:
        return answers.as_json(answer(Kind.CHAT, ["yes"]))

    def keep(counts: AgreementCounts) -> None:
        if broken:
            raise OSError("the disk is full")
        stored.append(dict(counts))

    shadows = Shadows(complete, keep)
    for _ in range(2):
        traced(shadows).finish()
        await settled()
        await shadows.flush()
    broken = False
    await shadows.flush()
    await shadows.flush()
    assert [[(each.verdict, count) for each, count in counts.items()] for counts in stored] == [[("agreed", 2)]]


async def test_an_answer_that_cannot_be_read_is_a_failed_comparison_and_no_noise() -> None:
    stored = list[AgreementCounts]()

    async def complete(caller: Caller, ask: CompletionRequest) -> bytes:
        return b"<html>"

    shadows = Shadows(complete, stored.append)
    traced(shadows).finish()
    await settled()
    await shadows.stop()
    assert [[each.verdict for each in counts] for counts in stored] == [["failed"]]
