"""What every wire format keeps to, whichever it is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postil.gateway.inference.formats import FORMATS, Kind
from postil.gateway.inference.formats.base import Part, WireFormat

WIRES = pytest.mark.parametrize("wire", FORMATS.values(), ids=[kind.name for kind in FORMATS])
TEXT = st.text(min_size=1, max_size=30)


def choice_of(wire: WireFormat, text: str) -> dict[str, Any]:
    return {"index": 0, **wire.spoken(text), "logprobs": None, "finish_reason": "stop"}


def streamed(wire: WireFormat, text: str, cut: int) -> list[Part]:
    """The parts of a choice that says a text in two pieces."""
    return [wire.part({wire.main_text: piece}) for piece in (text[:cut], text[cut:])]


def test_every_endpoint_has_a_format() -> None:
    assert set(FORMATS) == set(Kind)


@WIRES
@given(text=TEXT)
def test_what_a_choice_is_to_say_is_what_plugins_see_and_what_is_compared(wire: WireFormat, text: str) -> None:
    choice = choice_of(wire, text)
    assert wire.completion_of(choice).text == text
    assert wire.compared(choice) == text
    assert dict(wire.texts_of(wire.as_delta(choice)))[wire.main_text] == text
    assert not wire.tool_calls_of(wire.as_delta(choice))


@WIRES
@given(text=TEXT)
def test_a_whole_choice_says_the_same_as_its_events(wire: WireFormat, text: str) -> None:
    parts = [*wire.event_parts(choice_of(wire, text))]
    assert "".join(map(wire.compared, parts)) == text
    assert [part["finish_reason"] for part in parts][-1] == "stop"


@WIRES
@given(text=TEXT, cut=st.integers(0, 30))
def test_parts_put_together_are_the_choice(wire: WireFormat, text: str, cut: int) -> None:
    assert wire.assembled(streamed(wire, text, cut)) == wire.spoken(text)


@pytest.mark.parametrize(
    ("kind", "body", "batch", "prompts"),
    [
        (Kind.CHAT, {"messages": [{}, {}], "prompt": ["a", "b"]}, False, 1),
        (Kind.TEXT, {"prompt": "a"}, False, 1),
        (Kind.TEXT, {"prompt": [1, 2, 3]}, False, 1),
        (Kind.TEXT, {"prompt": ["a"]}, True, 1),
        (Kind.TEXT, {"prompt": [[1, 2], [3]]}, True, 2),
        (Kind.TEXT, {"prompt": ["a", "b"], "prompt_embeds": ["e", "f", "g"]}, True, 5),
        (Kind.TEXT, {"prompt_embeds": "e"}, False, 1),
        (Kind.TEXT, {}, False, 0),
    ],
)
def test_prompts_are_counted_as_the_engine_does(kind: Kind, body: dict[str, Any], batch: bool, prompts: int) -> None:
    assert FORMATS[kind].is_batch(body) is batch
    assert FORMATS[kind].count_prompts(body) == prompts


def test_tool_calls_come_apart_and_together_again() -> None:
    wire = FORMATS[Kind.CHAT]
    calls = [{"id": f"call_{at}", "type": "function", "function": {"name": "f", "arguments": "{}"}} for at in range(2)]
    choice = {"index": 0, "message": {"role": "assistant", "content": None, "tool_calls": calls}}
    parts = [*wire.event_parts(choice)]
    assert wire.assembled(parts) == {"message": choice["message"]}
    assert [call.index for call in wire.tool_calls_of(wire.as_delta(choice))] == [0, 1]
    assert wire.compared(choice) == "f{}f{}"
