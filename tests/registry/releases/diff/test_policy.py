from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postil.registry.releases.diff.policy import ABSENT, Change, policy_changes

TRIAGE: dict[str, Any] = {
    "system_prompt": "Sort the message.",
    "sampling": {"max_tokens": 32},
    "output": {"labels": ["a", "b"]},
    "validators": [{"name": "labels"}, {"name": "confidence", "config": {"minimum": 0.4}}],
    "fallback": [{"name": "fixed_answer", "config": {"content": "no"}}],
}

NAMED = st.fixed_dictionaries(
    {"name": st.sampled_from("abc")}, optional={"config": st.dictionaries(st.sampled_from("xy"), st.integers(0, 1))}
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 1) | st.just(1.0) | st.sampled_from(["", "a", "a\nb", "b " * 40]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["k", "l m", ""]), inner, max_size=3),
    max_leaves=5,
)
POLICIES = st.fixed_dictionaries(
    {}, optional={"output": VALUES, "sampling": VALUES, "validators": st.lists(NAMED, max_size=4)}
)


def changed(**values: Any) -> list[Change]:
    """What differs between TRIAGE and the same with these values; ``...`` takes one away."""
    after = {key: value for key, value in {**TRIAGE, **values}.items() if value is not ...}
    return policy_changes(TRIAGE, after)


@given(POLICIES, POLICIES)
def test_policies_differ_exactly_where_their_json_does(before: dict[str, Any], after: dict[str, Any]) -> None:
    same = json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)
    assert (policy_changes(before, after) == []) == same


@given(POLICIES, POLICIES)
def test_the_way_back_is_the_way_there_turned_round(before: dict[str, Any], after: dict[str, Any]) -> None:
    there = {(change.path, repr(change.before), repr(change.after)) for change in policy_changes(before, after)}
    back = {(change.path, repr(change.after), repr(change.before)) for change in policy_changes(after, before)}
    assert there == back


def test_a_value_deep_in_a_validator_goes_by_the_validators_name() -> None:
    validators = [{"name": "first"}, {"name": "labels"}, {"name": "confidence", "config": {"minimum": 0.5}}]
    assert changed(validators=validators) == [
        Change("validators[confidence].config.minimum", 0.4, 0.5),
        Change("validators[first]", ABSENT, {"name": "first"}),
    ]


def test_a_key_that_came_and_one_that_went() -> None:
    assert changed(sampling=..., defaults={"temperature": 0}) == [
        Change("sampling", {"max_tokens": 32}, ABSENT),
        Change("defaults", ABSENT, {"temperature": 0}),
    ]
    assert changed(sampling={"top_p": None}) == [
        Change("sampling.max_tokens", 32, ABSENT),
        Change("sampling.top_p", ABSENT, None),
    ]


def test_validators_of_a_policy_that_had_none_are_named_one_by_one() -> None:
    found = policy_changes({}, {"validators": TRIAGE["validators"]})
    assert [change.path for change in found] == ["validators[labels]", "validators[confidence]"]


def test_another_order_of_the_same_rules_is_a_change() -> None:
    rules = [{"name": "x"}, {"name": "y"}]
    assert policy_changes({"fallback": rules}, {"fallback": rules[::-1]}) == [
        Change("fallback, in order", ["x", "y"], ["y", "x"])
    ]


def test_rules_of_one_name_are_counted() -> None:
    before = [{"name": "x", "when": ["labels"]}, {"name": "x"}]
    after = [{"name": "x", "when": ["labels"]}, {"name": "x", "when": ["confidence"]}]
    assert policy_changes({"fallback": before}, {"fallback": after}) == [
        Change("fallback[x, 2].when", ABSENT, ["confidence"])
    ]


def test_labels_are_shown_whole() -> None:
    assert changed(output={"labels": ["a", "c"]}) == [Change("output.labels", ["a", "b"], ["a", "c"])]


def test_a_key_that_is_no_word_is_quoted() -> None:
    assert policy_changes({"sampling": {"a b": 1}}, {"sampling": {}}) == [Change('sampling["a b"]', 1, ABSENT)]


def test_one_and_true_and_one_point_nought_are_three_values() -> None:
    assert policy_changes({"x": 1}, {"x": True}) != []
    assert policy_changes({"x": 1}, {"x": 1.0}) != []


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ("one\ntwo\nthree\nfour", "one\ntwo\nthird\nfour", ["@@ -2,3 +2,3 @@", " two", "-three", "+third", " four"]),
        ("Sort.", "Sort it.", ["@@ -1 +1 @@", "-Sort.", "+Sort it."]),
        (ABSENT, "Sort.", ["@@ -0,0 +1 @@", "+Sort."]),
        ("Sort.", ABSENT, ["@@ -1 +0,0 @@", "-Sort."]),
    ],
)
def test_a_prompt_is_shown_line_by_line(before: Any, after: Any, lines: list[str]) -> None:
    assert Change("system_prompt", before, after).lines() == lines


@pytest.mark.parametrize(
    ("before", "after"),
    [("a", "b"), (1, 2), ("a", 1), (ABSENT, {"a": 1}), (None, None)],
)
def test_what_is_short_or_no_text_has_no_lines(before: Any, after: Any) -> None:
    assert Change("output.reject", before, after).lines() == []


def test_a_long_text_anywhere_is_shown_line_by_line() -> None:
    assert Change("fallback[x].config.content", "a", "b" * 61).lines() == ["@@ -1 +1 @@", "-a", "+" + "b" * 61]
