from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postil.plugins import Completion, ConfigError, Verdict
from postil.plugins.builtin.json_schema import JsonSchema
from tests.plugins.windows import EXCHANGE

PERSON = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "pattern": "^[A-Z]"},
        "age": {"type": "integer", "minimum": 0},
        "born": {"type": "string", "format": "date"},
        "seen": {"type": "string", "format": "date-time"},
        "at": {"type": "string", "format": "time"},
        "mail": {"type": "string", "format": "email"},
        "site": {"type": "string", "format": "uri"},
        "friends": {"type": "array", "items": {"$ref": "#/$defs/friend"}},
    },
    "$defs": {"friend": {"type": "object", "patternProperties": {"^x-": {"type": "integer"}}}},
}


def judge(text: str, schema: Any = PERSON, **config: Any) -> Verdict:
    verdict = JsonSchema.from_mapping({"json_schema": schema, **config}).judge(EXCHANGE, Completion(text))
    assert isinstance(verdict, Verdict)
    return verdict


@pytest.mark.parametrize(
    "answer",
    [
        {"name": "Ann"},
        {"name": "Ann", "age": 3, "born": "1984-11-02", "seen": "2024-03-12T10:00:00Z", "at": "10:00:00+01:00"},
        {"name": "Ann", "seen": "2024-03-12t10:00:00.123+02:00", "mail": "a@b.io", "site": "https://host/p?q#f"},
        {"name": "Ann", "friends": [{"x-1": 1, "y": "z"}, {}]},
    ],
)
def test_an_answer_that_fits_passes(answer: object) -> None:
    assert judge(json.dumps(answer)).ok


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the answer is not JSON (line 1, column 1)"),
        ('{"name": "Ann"', "the answer is not JSON (line 1, column 15)"),
        ('{"name": "Ann"} and more', "the answer is not JSON (line 1, column 17)"),
        ('{"name": "Ann",\n "age": NaN}', "the answer is not JSON"),
        ('{"name": "Ann", "age": 1e999}', "the answer is not JSON"),
        ('{"name": "Ann", "name": "Bob"}', "the answer is not JSON: a key stands twice"),
        ("[]", 'at $: `type: "object"` does not hold'),
        ("{}", 'at $: `required: ["name"]` does not hold'),
        ('{"name": "ann"}', 'at $.name: `pattern: "^[A-Z]"` does not hold'),
        ('{"name": "Ann", "age": "3"}', 'at $.age: `type: "integer"` does not hold'),
        ('{"name": "Ann", "age": -1}', "at $.age: `minimum: 0` does not hold"),
        ('{"name": "Ann", "born": "yesterday"}', 'at $.born: `format: "date"` does not hold'),
        ('{"name": "Ann", "seen": "2024-03-12"}', 'at $.seen: `format: "date-time"` does not hold'),
        ('{"name": "Ann", "seen": "2024-03-12T10:00:00"}', 'at $.seen: `format: "date-time"` does not hold'),
        ('{"name": "Ann", "at": "ten"}', 'at $.at: `format: "time"` does not hold'),
        ('{"name": "Ann", "mail": "ann"}', 'at $.mail: `format: "email"` does not hold'),
        ('{"name": "Ann", "site": "no uri"}', 'at $.site: `format: "uri"` does not hold'),
        ('{"name": "Ann", "secret": 1}', "at $: `additionalProperties: false` does not hold"),
        ('{"name": "Ann", "friends": [{}, {"x-1": "a"}]}', "at $.friends[1]['x-1']: `type: \"integer\"` does not hold"),
    ],
)
def test_a_misfit_fails_with_its_place_and_its_rule(text: str, reason: str) -> None:
    assert judge(text).reason == reason


def test_the_reason_does_not_repeat_the_answer() -> None:
    assert "secret words" not in judge('{"name": "secret words"}').reason


def test_a_long_rule_is_cut_short() -> None:
    assert len(judge('"z"', {"enum": [f"label {number}" for number in range(100)]}).reason) < 200


@pytest.mark.parametrize("text", ["[" * 100_000, "[" * 65 + "]" * 65, '{"a":' * 70 + "1" + "}" * 70])
def test_an_answer_nested_too_deep_fails(text: str) -> None:
    assert judge(text, {}, max_characters=1_000_000).reason == "the answer is nested deeper than 64"
    assert judge("[" * 64 + "]" * 64, {}).ok


def test_an_answer_too_long_fails_before_it_is_read() -> None:
    assert judge("[" * 101, {}, max_characters=100).reason == "the answer has more than 100 characters"
    assert judge('"' + "a" * 98 + '"', {}, max_characters=100).ok


@pytest.mark.parametrize("key", ["pattern", "patternProperties", "additionalProperties"])
def test_no_pattern_can_hang_the_gateway(key: str) -> None:
    evil = r"^(a+)+$"
    schema: dict[str, Any] = {"patternProperties": {evil: False}} if key != "pattern" else {"pattern": evil}
    if key == "additionalProperties":
        schema[key] = False
    text = json.dumps("a" * 40_000 + "!" if key == "pattern" else {"a" * 40_000 + "!": 1})
    started = time.process_time()
    judge(text, schema)
    assert time.process_time() - started < 2


def test_additional_properties_know_the_patterns_and_may_have_a_schema() -> None:
    schema = {"properties": {"a": {}}, "patternProperties": {"^b": {}}, "additionalProperties": {"type": "string"}}
    assert judge('{"a": 1, "bc": 1, "c": "x"}', schema).ok
    assert judge('{"a": 1, "c": 1}', schema).reason == 'at $.c: `type: "string"` does not hold'
    assert judge("[1]", schema).ok


def test_an_older_draft_is_read_as_what_it_is() -> None:
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "integer"}]}
    assert judge('["a"]', schema).reason == 'at $[0]: `type: "integer"` does not hold'
    assert judge("[1]", schema).ok


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=8,
))  # fmt: skip
@settings(deadline=None, max_examples=100)
def test_any_json_is_judged_as_its_value_is(answer: object) -> None:
    assert judge(json.dumps(answer), {"const": answer}).ok
    assert not judge(json.dumps([answer]), {"const": answer}).ok


@pytest.mark.parametrize("format_", ["date", "date-time", "time", "uri", "email", "ipv4"])
def test_a_format_is_asked_of_texts_alone(format_: str) -> None:
    assert judge("3", {"format": format_}).ok
    assert not judge('"3"', {"format": format_}).ok


def test_it_runs_outside_the_gateway() -> None:
    assert JsonSchema.blocking


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({}, "json_schema: it has no schema; give `json_schema` here, or to the policy's output"),
        ({"json_schema": []}, "json_schema: json_schema: input should be a valid dictionary"),
        ({"json_schema": {"type": "thing"}}, "json_schema: it is no JSON Schema at $.type: 'thing' is not valid"),
        ({"json_schema": {"$ref": "https://host/other"}}, "json_schema: $ref 'https://host/other' leads to nothing"),
        ({"json_schema": {"$ref": "#/$defs/gone"}}, "json_schema: $ref '#/$defs/gone' leads to nothing in the schema"),
        ({"json_schema": {"$ref": "file:///etc/passwd"}}, "json_schema: $ref 'file:///etc/passwd' leads to nothing"),
        ({"json_schema": {"items": {"pattern": "(?=a)"}}}, "json_schema: '(?=a)' is no pattern of RE2; write it"),
        ({"json_schema": {"patternProperties": {r"(a)\1": {}}}}, r"json_schema: '(a)\\1' is no pattern of RE2"),
        ({"json_schema": {"unevaluatedProperties": False}}, "json_schema: unevaluatedProperties is not taken; say"),
        ({"json_schema": {"$ref": "#"}}, "json_schema: it refers to itself without end; let the $ref stand for a part"),
        ({"json_schema": {}, "max_depth": 0}, "json_schema: max_depth: input should be greater than or equal to 1"),
        ({"json_schema": {}, "strict": True}, "json_schema: there is no option strict; leave it out"),
    ],
)
def test_a_wrong_configuration_is_refused_in_one_sentence(config: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        JsonSchema.from_mapping(config)
    assert str(caught.value).startswith(sentence)


def test_data_in_a_schema_is_no_rule() -> None:
    schema = {"const": {"$ref": "#/gone", "pattern": "("}, "properties": {"pattern": {}, "$ref": {}}}
    assert not judge("{}", schema).ok


@pytest.mark.parametrize("name", ["default", "enum", "const", "examples", "properties", "not"])
@pytest.mark.parametrize("place", ["properties", "$defs", "patternProperties", "dependentSchemas"])
def test_a_property_named_like_a_keyword_is_a_schema_as_any_other(name: str, place: str) -> None:
    for inner, sentence in (
        ({"pattern": "(?=a)"}, "is no pattern of RE2"),
        ({"$ref": "#/$defs/gone"}, "leads to nothing in the schema"),
        ({"unevaluatedProperties": False}, "unevaluatedProperties is not taken"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            judge("{}", {place: {name: inner}})


def test_what_only_a_reference_leads_to_is_a_schema_too() -> None:
    with pytest.raises(ConfigError, match="is no pattern of RE2"):
        judge("{}", {"properties": {"a": {"$ref": "#/other/place"}}, "other": {"place": {"pattern": "(?=a)"}}})


def tower(height: int) -> dict[str, Any]:
    """A schema that compares one value with twice as many parts on each of its levels."""
    levels = {
        f"level{number}": {"anyOf": [{"$ref": f"#/$defs/level{number - 1}"}] * 2} for number in range(1, height + 1)
    }
    return {"$ref": f"#/$defs/level{height}", "$defs": {"level0": {"type": "string"}, **levels}}


def test_alternatives_that_double_forty_times_are_refused_at_once() -> None:
    started = time.process_time()
    with pytest.raises(ConfigError, match="more than 10000 comparisons for one value"):
        judge("1", tower(40))
    assert time.process_time() - started < 2
    assert not judge("1", tower(8)).ok


def test_alternatives_keep_nothing_of_what_was_wrong_with_each() -> None:
    reason = judge("[1]", {"anyOf": [{"type": "string"}, {"items": {"type": "string"}}]}).reason
    assert reason.startswith("at $: `anyOf: ")


@pytest.mark.parametrize(("text", "fits"), [("1", True), ('"a"', False), ("1.5", False)])
def test_one_of_several_fits_where_exactly_one_does(text: str, fits: bool) -> None:
    assert judge(text, {"oneOf": [{"type": "integer"}, {"type": "boolean"}]}).ok == fits
    assert not judge(text, {"oneOf": [{"type": ["integer", "string"]}, {"type": ["integer", "string"]}]}).ok


@pytest.mark.parametrize(
    ("text", "unique"),
    [
        ("[1, 2]", True),
        ("[1, 1.0]", False),
        ("[1, true, 0, false, null]", True),
        ('[{"a": 1, "b": [2]}, {"b": [2.0], "a": 1}]', False),
        ('["a", ["a"]]', True),
        ('{"a": 1}', True),
    ],
)
def test_items_are_unique_by_their_value(text: str, unique: bool) -> None:
    assert judge(text, {"uniqueItems": True}).ok == unique
    assert judge(text, {"uniqueItems": False}).ok


def test_thousands_of_items_are_compared_in_no_time() -> None:
    text = json.dumps([{"a": [number]} for number in range(4000)])
    started = time.process_time()
    assert judge(text, {"uniqueItems": True}).ok
    assert time.process_time() - started < 2


def test_a_schema_that_is_too_large_is_refused() -> None:
    with pytest.raises(ConfigError, match="more than 262144 characters"):
        judge("1", {"description": "a" * 262_144})


def test_a_value_that_fits_one_of_some_passes() -> None:
    assert judge("1", {"anyOf": [{"type": "string"}, True]}).ok
