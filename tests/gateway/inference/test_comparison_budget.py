"""What a request's schemas may cost: all of them together, and honestly priced."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from postil.gateway.inference.admitted_labels import admitted
from postil.gateway.inference.admitted_schema import admits
from postil.gateway.inference.comparison_budget import ComparisonBudget
from postil.registry.errors import GrammarError

FIELD, LABELS = "category", frozenset({"a", "b"})
POLICY = {"type": "object", "properties": {"topic": {"enum": ["a"]}}, "required": ["topic"]}
# RE2 takes some ten milliseconds for it.
DEAR = r"(((\pL{10}){10}){10})"


def of_patterns(*patterns: str) -> dict[str, Any]:
    return {"properties": {FIELD: {"allOf": [{"pattern": pattern} for pattern in patterns]}}}


def is_within(compare: Callable[[], object]) -> bool:
    """Whether a comparison comes to its end within its budget."""
    try:
        compare()
    except GrammarError as error:
        return "too many parts" not in str(error)
    return True


def test_many_schemas_have_no_more_than_one() -> None:
    budget, began = ComparisonBudget(), time.process_time()
    tools = [of_patterns(*(f"{DEAR}{tool}x{part}" for part in range(4))) for tool in range(128)]
    taken = [is_within(partial(admitted, tool, FIELD, LABELS, budget)) for tool in tools]
    assert taken[0]
    assert sum(taken) < 8
    assert time.process_time() - began < 1  # Tens of milliseconds.


def test_a_pattern_is_paid_for_once() -> None:
    budget = ComparisonBudget()
    for _ in range(500):
        assert admitted(of_patterns(r"^\p{L}$"), FIELD, LABELS, budget) == LABELS


def test_labels_are_looked_for_as_dear_as_the_pattern_makes_it() -> None:
    labels = {"ab" * 20 + str(number) for number in range(500)}
    assert admitted(of_patterns("^[ab]+[0-9]+$"), FIELD, labels, ComparisonBudget()) == labels
    with pytest.raises(GrammarError, match="too many parts"):
        admitted(of_patterns("[ab]*a[ab]{500}c"), FIELD, labels, ComparisonBudget())


def test_long_patterns_and_references_are_refused() -> None:
    assert admitted(of_patterns("a|b" + "|c" * 126), FIELD, LABELS, ComparisonBudget()) == LABELS
    with pytest.raises(GrammarError, match="pattern of the schema has more than 256 characters"):
        admitted(of_patterns("a|b" + "|c" * 127), FIELD, LABELS, ComparisonBudget())
    long = {"anyOf": [{"$ref": "#/$defs/a"}] * 700, "$defs": {"a": {"$ref": "#/$defs/" + "%41" * 4000}, "A" * 4000: {}}}
    with pytest.raises(GrammarError, match=r"\$ref of the schema has more than 256 characters"):
        admitted(long, FIELD, LABELS, ComparisonBudget())
    with pytest.raises(GrammarError, match=r"\$ref of the schema has more than 256 characters"):
        admits(long, POLICY, ComparisonBudget())


@pytest.mark.parametrize(
    "dear",
    [
        {f"x{number}": 0 for number in range(2000)},
        {"required": ["topic"] * 2000},
        {"type": ["null"] * 2000},
        {"const": [0] * 2000, "enum": [[0] * 2000]},
        {"enum": ["b"] * 2000},
    ],
)
def test_a_dear_part_is_paid_for_each_time_it_is_looked_at(dear: Any) -> None:
    schema = {"anyOf": [{"allOf": [{"$ref": "#/$defs/a"}]}, *[{"$ref": "#/$defs/a"}] * 2000], "$defs": {"a": dear}}
    policy = {"anyOf": [{"const": [0] * 2000, **POLICY}] * 100}
    began = time.process_time()
    for _ in range(5):
        is_within(lambda: admitted(schema, FIELD, LABELS, ComparisonBudget()))
        is_within(lambda: admits(schema, policy, ComparisonBudget()))
    assert time.process_time() - began < 2  # Ten times tens of milliseconds.
