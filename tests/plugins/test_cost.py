"""What a check may take of the loop's time is told from its text, and quickly."""

from __future__ import annotations

from typing import Any

import pytest

from postil.plugins import Completion, ReleaseRef, RequestContext
from postil.plugins.cost import FREE, Cost, is_larger, takes_longer
from postil.plugins.types import RoutingRequest

EACH = Cost(ascii=1, other=10, digit=100)


def asked(**request: Any) -> RequestContext:
    """A request."""
    return RequestContext(ReleaseRef("legal", "notes", 1), "firm", request)


@pytest.mark.parametrize(("text", "microseconds"), [("abc", 3), ("ab\u00e9", 30), ("a1", 102)])
def test_each_character_counts_by_its_kind(text: str, microseconds: float) -> None:
    assert EACH.of(text) == pytest.approx(microseconds * 1e-6)


def test_what_is_not_read_costs_nothing() -> None:
    assert Cost(ascii=1, most=10).of("a" * 1000) == pytest.approx(10e-6)
    assert Cost(ascii=1, other=5, most=10).of("a" * 10 + "\u00e9") == pytest.approx(10e-6)


def test_what_has_no_cost_never_takes_long() -> None:
    assert not takes_longer(FREE, Completion("a" * 10_000_000), 0.0)
    assert Cost(ascii=1).of("a") > 0


@pytest.mark.parametrize(
    "subject",
    [
        Completion("a" * 5000),
        Completion("", tool_calls=[{"function": {"name": "f", "arguments": "a" * 5000}}]),
        asked(messages=[{"role": "user", "content": [{"type": "text", "text": "a" * 50}]}] * 100),
        asked(messages=[[]] * 5000),
        RoutingRequest("firm", (), {"prompt": "a" * 5000}),
        asked(**{"a" * 5000: 1}),
    ],
)
def test_every_text_of_an_answer_or_a_request_counts_and_so_do_many_empty_ones(subject: object) -> None:
    assert takes_longer(EACH, subject, 0.004)
    assert not takes_longer(EACH, subject, 0.1)
    assert is_larger(subject, 4000)
    assert not is_larger(subject, 1_000_000)


def test_what_has_no_text_takes_no_time() -> None:
    assert not takes_longer(EACH, None, 0.0)
