"""Which labels a client's schema admits: as jsonschema says, one label at a time, and never in long."""

from __future__ import annotations

import time
from collections.abc import Set
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing.jsonschema import EMPTY_REGISTRY

from postil.gateway.inference.admitted_labels import admitted as admitted_within
from postil.gateway.inference.comparison_budget import ComparisonBudget
from postil.registry.errors import GrammarError

LABELS = frozenset({"a", "bb", "ccc", "Ü", "症状", "needs_review"})
FIELD = "category"
TEXTS = st.sampled_from([*sorted(LABELS), "x"])
ENUM = st.lists(TEXTS | st.none() | st.integers(0, 2), min_size=1, max_size=4)
ANSWERS = st.lists(st.fixed_dictionaries({FIELD: TEXTS}) | st.just({}), min_size=1, max_size=3)
PLAIN_TEXT = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["string", "integer", "object", ["string", "null"], ["null"]]),
        "enum": ENUM,
        "const": TEXTS,
        "minLength": st.integers(0, 4),
        "maxLength": st.integers(0, 4),
        "pattern": st.sampled_from(["^a", "b+$", ".", "^..$"]),
        "description": st.text(max_size=3),
    },
)


def admitted(schema: object, field: str, labels: Set[str], *, closed: bool = False) -> frozenset[str]:
    return admitted_within(schema, field, labels, ComparisonBudget(), closed=closed)


def chosen(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=3)
    return st.fixed_dictionaries(
        {},
        optional={
            "anyOf": several, "oneOf": several, "allOf": several, "not": inner, "if": inner, "then": inner,
            "else": inner,
        },
    )  # fmt: skip


TEXT = st.recursive(PLAIN_TEXT | st.booleans(), chosen, max_leaves=5)
NAMES = st.lists(st.sampled_from([FIELD, "reason"]), max_size=2)
PLAIN_OBJECT = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["object", "string", ["object", "null"]]),
        "properties": st.dictionaries(st.sampled_from([FIELD, "reason"]), TEXT, max_size=2),
        "patternProperties": st.dictionaries(st.sampled_from(["^cat", "^r", "y$"]), TEXT, max_size=2),
        "additionalProperties": TEXT,
        "propertyNames": TEXT,
        "required": NAMES,
        "minProperties": st.integers(0, 2),
        "maxProperties": st.integers(0, 2),
        "enum": ANSWERS,
        "$ref": st.just("#/$defs/other"),
    },
)
OBJECT = st.recursive(PLAIN_OBJECT | st.booleans(), chosen, max_leaves=5)


@given(OBJECT, PLAIN_OBJECT.filter(lambda schema: "$ref" not in schema))
@settings(max_examples=150, deadline=None)
def test_a_label_is_admitted_exactly_if_its_answer_is_valid(schema: Any, other: Any) -> None:
    if isinstance(schema, dict):
        schema = {**schema, "$defs": {"other": other}}
    else:
        return
    checker = Draft202012Validator(schema, registry=EMPTY_REGISTRY)
    valid = {label for label in LABELS if checker.is_valid({FIELD: label})}
    assert admitted(schema, FIELD, LABELS) == valid


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"allOf": [{"$ref": "#"}]}}},
        {"$ref": "#/$defs/none"},
        {"$ref": "http://elsewhere/schema"},
        {"properties": {FIELD: 5}},
        [],
        {"properties": {FIELD: {"anyOf": [{"pattern": f"{i}{{1,900}}"} for i in range(500)]}}},
        {"anyOf": [{"$ref": "#/$defs/a"}] * 2000, "$defs": {"a": {"enum": [{FIELD: str(i)} for i in range(1000)]}}},
        {"anyOf": [{"$ref": "#/$defs/a"}] * 2000, "$defs": {"a": {"required": [FIELD] * 2000}}},
    ],
)
def test_a_schema_that_cannot_be_compared_is_refused_at_once(schema: Any) -> None:
    labels = {f"label {number}" for number in range(1000)}
    began = time.process_time()
    with pytest.raises(GrammarError):
        admitted(schema, FIELD, labels)
    assert time.process_time() - began < 2  # Tens of milliseconds.


def test_patterns_that_re2_does_not_take_admit_all() -> None:
    assert admitted({"properties": {FIELD: {"pattern": "(?=a)"}}}, FIELD, LABELS) == LABELS


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        ({}, False),
        ({"type": "object", "properties": {}}, False),
        ({"properties": {"other": True}}, False),
        ({"properties": {FIELD: {"type": "string"}}}, True),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"properties": {FIELD: {"type": "string"}}}}}, True),
        ({"type": "object", "additionalProperties": {"type": "string"}}, True),
        ({"enum": [{FIELD: label} for label in sorted(LABELS)]}, True),
    ],
)
def test_a_tools_schema_has_to_name_the_field(schema: Any, named: bool) -> None:
    assert admitted(schema, FIELD, LABELS, closed=True) == (LABELS if named else frozenset())
    assert admitted(schema, FIELD, LABELS) == LABELS
