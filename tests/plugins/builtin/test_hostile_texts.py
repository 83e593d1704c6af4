"""No text makes a built-in check take more than time in proportion to it, or more than its ``cost`` says."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from postil.plugins import Completion, InputCheck, ReleaseRef, RequestContext, Token, Validator
from postil.plugins.contract import Component
from postil.plugins.manager import PluginManager
from postil.plugins.types import RoutingRequest
from tests.plugins.builtin.hostile_texts import ENDS, SPELLINGS, TURNED, UNITS, nasty, repeated
from tests.support.paths import ROOT

REGIONS = ["US", "DE", "FR"]
PATTERNS = ["a.*b", "(x+x+)+y", r"\b1{1,40}\b"]
PLUGINS = PluginManager(entry_points=False)
# The demo's: three domains, and texts of none.
DEMO_ROUTER = ROOT / "deploy" / "demo" / "router" / "router.json"
SCHEMA = {"json_schema": {"type": "object", "additionalProperties": {"pattern": "(a+)+b"}}}
CHECKS: dict[str, Component] = {
    name: PLUGINS.make(PLUGINS.component(kind, name), config)
    for kind, name, config in (
        ("input check", "emergency", {"whole_conversation": True}),
        ("input check", "injection", {}),
        ("input check", "input_length", {"max_characters": 10_000}),
        ("validator", "pii", {"regions": REGIONS}),
        ("validator", "blocklist", {"phrases": ["poison", "a a", "aa", "aaa"], "patterns": PATTERNS, "window": 512}),
        ("validator", "json_schema", SCHEMA),
        ("validator", "disclaimer", {"text": "no advice"}),
        ("validator", "length", {"max_words": 100}),
        ("validator", "labels", {"labels": ["a"]}),
        ("validator", "confidence", {}),
        ("router", "linear", {"file": str(DEMO_ROUTER)}),
        ("router", "keywords", {"words": {"legal": ["a", "contract"], "healthcare": ["chest"]}}),
    )
}
# What grows with the square of a text takes four times as long for twice of it, and sixteen times for four.
SHORT, LONG, TIMES = 500, 2000, 4
# A check is as quick as the machine lets it be: others run here, too.
SLACK, LEAST_SECONDS = 2.5, 0.004
# What a cost leaves out: a call takes some time with a text of no character.
TOLD_SLACK, TOLD_SECONDS = 2.0, 0.0003


def run(check: Any, text: str) -> Any:
    """Have a check look at a text."""
    context = RequestContext(ReleaseRef("legal", "notes", 1), "firm", {"messages": [{"role": "user", "content": text}]})
    if isinstance(check, Validator):
        return check.judge(context, Completion(text, tokens=(Token(text, -0.1),)))
    if isinstance(check, InputCheck):
        return check.check(context)
    return check.route(RoutingRequest("firm", ("legal", "healthcare"), context.request))


def seconds(check: Component, text: str) -> float:
    """The processor's time for one look, the least of three where that is short."""
    took: list[float] = []
    with untraced():
        while len(took) < 3 and sum(took) < 0.1:
            began = time.thread_time()
            run(check, text)
            took.append(time.thread_time() - began)
    return min(took)


@contextmanager
def untraced() -> Iterator[None]:
    """Measure no coverage meanwhile: whatever makes many small calls takes three times as long with it."""
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(tracer)


def test_every_built_in_check_is_tried() -> None:
    kinds = ("validator", "input check", "router")
    assert {one.name for one in PLUGINS.list_components() if one.kind in kinds} == {*CHECKS, "guardrails"}


def grows_with_its_text(check: Component, unit: str, end: str) -> bool:
    """Whether a text four times as long takes about four times as long, in one of three looks."""
    short, long = (repeated(unit, length) + end for length in (SHORT, LONG))
    for _ in range(3):
        took = seconds(check, long)
        if took < LEAST_SECONDS or took < TIMES * SLACK * seconds(check, short):
            return True
    return False


@pytest.mark.parametrize("name", CHECKS)
def test_a_text_four_times_as_long_takes_four_times_as_long(name: str) -> None:
    check = CHECKS[name]
    slow = [(kind, end) for kind in UNITS for end in ENDS[:3] if not grows_with_its_text(check, UNITS[kind], end)]
    assert slow == []


def keeps_its_cost(check: Component, text: str) -> bool:
    """Whether a check takes no longer than it says, in one of five looks."""
    allowed = TOLD_SLACK * check.cost.of(text) + TOLD_SECONDS
    return any(seconds(check, text) < allowed for _ in range(5))


@pytest.mark.parametrize("name", [name for name in CHECKS if name not in ("json_schema", "input_length")])
def test_no_text_takes_longer_than_its_cost_says(name: str) -> None:
    assert [kind for kind, unit in UNITS.items() if not keeps_its_cost(CHECKS[name], repeated(unit, LONG) + "!")] == []


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("start", [SPELLINGS, TURNED])
def test_no_text_that_is_read_in_every_way_takes_longer_than_its_cost_says(start: str, unit: str) -> None:
    assert keeps_its_cost(CHECKS["injection"], start + repeated(UNITS[unit], LONG) + "!")


def many_phrases() -> list[str]:
    """As many and as long as there may be, with no beginning in common."""
    draw = random.Random(1)
    return ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz ", k=198)) + "zz" for _ in range(500)]


@pytest.mark.parametrize(
    ("phrases", "text"),
    [
        (["aa"], repeated("aa ", LONG)),
        (["a+"], repeated("a+", LONG)),
        (["a\u200b"], repeated("a ", LONG)),
        (["aa", "bb"], repeated("aa suicide. ", LONG)),
        (many_phrases(), "".join(many_phrases())[:LONG]),
    ],
)
def test_no_phrases_of_a_policy_take_longer_than_is_said(
    phrases: list[str], text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    check = PLUGINS.make(PLUGINS.component("input check", "emergency"), {"phrases": phrases})
    assert keeps_its_cost(check, text)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("region", ["DE", "AT", "GB", "US"])
@pytest.mark.parametrize("unit", ["21 43 65 87 ", "12 34 56 78 ", "03 12 45 67 "])
def test_no_country_has_numbers_that_take_longer_to_look_for_than_is_said(region: str, unit: str) -> None:
    check = PLUGINS.make(PLUGINS.component("validator", "pii"), {"regions": [region]})
    text = repeated(unit, SHORT)
    run(check, text)  # What is compiled for a country is compiled once.
    assert keeps_its_cost(check, text)


@pytest.mark.parametrize("name", [name for name in CHECKS if name != "pii"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=nasty)
def test_no_mixture_takes_long_or_raises(name: str, text: str) -> None:
    with untraced():
        began = time.thread_time()
        run(CHECKS[name], text)
        assert time.thread_time() - began < 2.0


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=nasty)
def test_no_mixture_makes_pii_raise(text: str) -> None:
    run(CHECKS["pii"], text[:300])
