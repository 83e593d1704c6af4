"""An answer's pieces as blocks, one after the other, in whichever order the pieces come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from postil.gateway.inference.formats.blocks import Block, BlockKind, BlockStream, Change, Step, blocks_of
from postil.gateway.inference.formats.events import ChoiceDelta
from tests.fakes.sse import call

SAYS = st.sampled_from(["a", "b", "{}", " "])
TEXTS = st.builds(lambda key, text: {key: text}, st.sampled_from(["content", "reasoning", "refusal"]), SAYS)
CALLS = st.builds(
    lambda index, text: call(index, f"tool{index}", text, f"call_{index}"), st.integers(0, 2), SAYS | st.none()
)
DELTAS = st.lists(TEXTS | CALLS, max_size=12)


def piece(delta: dict[str, Any], **more: Any) -> ChoiceDelta:
    return msgspec.convert({"index": 0, "delta": delta, **more}, ChoiceDelta)


def steps_of(deltas: Iterable[dict[str, Any]], *, held: bool) -> tuple[list[Step], list[Block]]:
    stream = BlockStream(held=held)
    steps = [step for delta in deltas for step in stream.feed(piece(delta))]
    return [*steps, *stream.finish()], stream.blocks


def kinds(blocks: Sequence[Block]) -> list[tuple[BlockKind, str]]:
    return [(block.kind, block.text) for block in blocks]


@given(deltas=DELTAS, held=st.booleans())
def test_blocks_come_one_after_the_other_and_say_all_that_was_said(deltas: list[dict[str, Any]], held: bool) -> None:
    steps, blocks = steps_of(deltas, held=held)
    said: dict[int, str] = {}
    is_open: int | None = None
    for step in steps:
        number = step.block.number
        if step.change is Change.BEGINS:
            assert (is_open, number) == (None, len(said))
            said[number], is_open = "", number
        else:
            assert number == is_open
            said[number] += step.text
            is_open = None if step.change is Change.ENDS else is_open
    assert is_open is None
    assert [block.text for block in blocks] == [said[block.number] for block in blocks]
    for kind, keys in ((BlockKind.TEXT, ("content", "refusal")), (BlockKind.REASONING, ("reasoning",))):
        wanted = "".join(delta.get(key, "") for delta in deltas for key in keys)
        assert "".join(block.text for block in blocks if block.kind is kind) == wanted
    for index in range(3):
        calls = [delta["tool_calls"][0] for delta in deltas if "tool_calls" in delta]
        wanted = "".join(one["function"]["arguments"] or "" for one in calls if one["index"] == index)
        assert "".join(block.text for block in blocks if block.name == f"tool{index}") == wanted


def test_a_text_ends_where_a_call_begins() -> None:
    stream = BlockStream(held=False)
    steps = [*stream.feed(piece({"content": "I look."})), *stream.feed(piece(call(0, "find", '{"q"', "call_0")))]
    assert [step.change for step in steps] == [Change.BEGINS, Change.SAYS, Change.ENDS, Change.BEGINS, Change.SAYS]


def test_a_text_that_is_held_back_goes_on_after_a_call_began() -> None:
    deltas = [{"content": "I lo"}, call(0, "find", "{}", "call_0"), {"content": "ok."}]
    steps, blocks = steps_of(deltas, held=True)
    assert kinds(blocks) == [(BlockKind.TEXT, "I look."), (BlockKind.CALL, "{}")]
    assert [step.text for step in steps if step.change is Change.SAYS] == ["I lo", "ok.", "{}"]
    assert kinds(steps_of(deltas, held=False)[1]) == [
        (BlockKind.TEXT, "I lo"),
        (BlockKind.CALL, "{}"),
        (BlockKind.TEXT, "ok."),
    ]


def test_thoughts_do_not_hold_a_text_up() -> None:
    for held in (True, False):
        steps, blocks = steps_of([{"reasoning": "hm"}, {"content": "a"}, {"content": "b"}], held=held)
        assert kinds(blocks) == [(BlockKind.REASONING, "hm"), (BlockKind.TEXT, "ab")]
        assert [step.text for step in steps if step.change is Change.SAYS] == ["hm", "a", "b"]


def test_a_whole_choice_that_says_nothing_is_an_empty_text() -> None:
    assert kinds(blocks_of(piece({}, finish_reason="stop"))) == [(BlockKind.TEXT, "")]
    assert kinds(blocks_of(msgspec.convert({"index": 0}, ChoiceDelta))) == [(BlockKind.TEXT, "")]
