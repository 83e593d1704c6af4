"""Whether a client's schema admits all that a policy's does: the same in other words, or wider; never narrower."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from postil.gateway.inference.admitted_schema import admits as admits_within
from postil.gateway.inference.comparison_budget import ComparisonBudget
from postil.registry.errors import GrammarError

TEXT: dict[str, Any] = {"type": "string", "maxLength": 9}
POLICY: dict[str, Any] = {
    "type": "object",
    "properties": {
        "topic": TEXT,
        "urgent": {"type": "boolean"},
        "level": {"type": "integer", "minimum": 0, "maximum": 5},
        "kind": {"enum": ["a", "b"]},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 4}, "maxItems": 3},
    },
    "required": ["topic", "urgent"],
}


def admits(schema: object, policy: object) -> bool:
    return admits_within(schema, policy, ComparisonBudget())


def changed(name: str, **schema: Any) -> dict[str, Any]:
    return {**POLICY, "properties": {**POLICY["properties"], name: schema}}


@pytest.mark.parametrize(
    "schema",
    [
        POLICY, {}, True, {"type": "object"},
        {**POLICY, "title": "Note", "$schema": "x", "additionalProperties": False},
        {**POLICY, "required": ["urgent"]}, {**POLICY, "required": []},
        changed("topic", type="string"), changed("topic", type=["string", "null"]), changed("topic", maxLength=20),
        changed("level", type="number", minimum=-1, maximum=5), changed("kind", type="string"),
        changed("kind", enum=["a", "b", "c"]), changed("tags", type="array"), changed("more", type="integer"),
        changed("tags", type="array", items={"type": "string"}, maxItems=5),
        changed("urgent", anyOf=[{"type": "null"}, {"type": "boolean"}]),
        {"$ref": "#/$defs/note", "$defs": {"note": changed("topic", **{"$ref": "#/$defs/text"}), "text": TEXT}},
    ],
)  # fmt: skip
def test_the_same_in_other_words_and_what_is_wider_is_admitted(schema: Any) -> None:
    assert admits(schema, POLICY)


@pytest.mark.parametrize(
    "schema",
    [
        False, {"type": "array"}, {**POLICY, "required": ["topic", "urgent", "level"]},
        {**POLICY, "properties": {"topic": TEXT}, "additionalProperties": False},
        changed("topic", type="string", maxLength=8), changed("topic", type="string", pattern="a"),
        changed("topic", type="integer"), changed("level", type="integer", minimum=1), changed("kind", enum=["a"]),
        changed("kind", const="a"), changed("tags", type="array", items={"type": "integer"}),
        changed("urgent", anyOf=[{"type": "null"}]), {**POLICY, "maxProperties": 1}, {**POLICY, "not": {}},
        {**POLICY, "properties": []}, {**POLICY, "additionalProperties": {"type": "string"}, "properties": {}},
    ],
)  # fmt: skip
def test_what_is_narrower_or_not_plain_is_not_admitted(schema: Any) -> None:
    assert not admits(schema, POLICY)


def test_a_policy_of_several_forms_is_admitted_form_by_form() -> None:
    several = {"anyOf": [POLICY, {"type": "null"}]}
    assert admits({"anyOf": [{"type": "null"}, POLICY, {"type": "array"}]}, several)
    assert not admits(POLICY, several)
    assert admits({"type": "object"}, {**POLICY, "additionalProperties": True})
    assert not admits({**POLICY, "additionalProperties": False}, {**POLICY, "additionalProperties": True})
    assert admits({"type": "string"}, False)


@pytest.mark.parametrize("schema", [{"$ref": "#"}, {"$ref": "#/$defs/a"}, [], {"anyOf": [{"$ref": "#"}]}, 5])
def test_what_cannot_be_followed_is_refused(schema: Any) -> None:
    with pytest.raises(GrammarError):
        admits(schema, POLICY)


def test_schemas_of_hostile_size_are_refused() -> None:
    wide = {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(6000)}}
    with pytest.raises(GrammarError, match="too many parts"):
        admits({**wide, "title": "x"}, {**wide, "required": ["p1"]})
    assert not admits({"enum": [[i] for i in range(3000)]}, {"enum": [[-i] for i in range(3000)]})


VALUES: list[Any] = [
    None,
    True,
    0,
    3,
    7,
    2.5,
    "",
    "a",
    "abcdef",
    [],
    ["a"],
    ["a", 1],
    {},
    {"x": "a"},
    {"x": 1, "y": "b"},
]
LEAF = st.fixed_dictionaries(
    {"type": st.sampled_from(["string", "integer", "number", "boolean", "null", ["string", "null"]])},
    optional={
        "enum": st.lists(st.sampled_from(["a", "abcdef", 3, None]), min_size=1, max_size=3),
        "maxLength": st.integers(0, 6), "minLength": st.integers(0, 3), "minimum": st.integers(0, 3),
        "maximum": st.integers(0, 7),
    },
)  # fmt: skip


def deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    objects = st.fixed_dictionaries(
        {"type": st.just("object"), "additionalProperties": st.just(False)},
        optional={
            "properties": st.dictionaries(st.sampled_from(["x", "y"]), inner, max_size=2),
            "required": st.lists(st.sampled_from(["x", "y"]), max_size=2, unique=True),
        },
    )
    lists = st.fixed_dictionaries({"type": st.just("array")}, optional={"items": inner, "maxItems": st.integers(0, 2)})
    several = st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=2)})
    return objects | lists | several


SCHEMA = st.recursive(LEAF | st.booleans(), deeper, max_leaves=4)


@given(SCHEMA, SCHEMA)
@settings(max_examples=300, deadline=None)
def test_what_is_admitted_is_valid(schema: Any, policy: Any) -> None:
    if admits(schema, policy):
        ours, theirs = Draft202012Validator(schema), Draft202012Validator(policy)
        assert all(ours.is_valid(value) for value in VALUES if theirs.is_valid(value))
    assert admits(policy, policy)
