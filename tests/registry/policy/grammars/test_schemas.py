"""Which schemas may constrain answers: what xgrammar 0.2.8 compiles within two seconds or so, and nothing else."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postil.registry.errors import GrammarError
from postil.registry.policy.grammars.schemas import check_schema, unbounded

Schema = dict[str, Any]
STRING: Schema = {"type": "string"}


def record(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def many(number: int, part: Any) -> Schema:
    return record(**{f"f{index}": part(index) for index in range(number)})


def defined(name: str, schema: Schema) -> Schema:
    return {"$defs": {name: schema}, "$ref": "#/$defs/" + name.replace("/", "~1")}


def nested(levels: int) -> Schema:
    schema = STRING
    for _ in range(levels):
        schema = {"anyOf": [schema]}
    return schema


# With the seconds that xgrammar took on one core, where it was let.
SLOW: dict[str, Schema] = {
    "60 strings with different maxLength, > 40 s": many(60, lambda i: {**STRING, "maxLength": 100 + i}),
    "5 strings with long maxLength, 4.4 s": many(5, lambda i: {**STRING, "maxLength": 200 + i}),
    "minLength, 6.4 s": many(10, lambda i: {**STRING, "minLength": 1000 + i}),
    "optional properties, 3.7 s": {"type": "object", "properties": {f"f{i}": {} for i in range(1000)}},
    "nested repetition, 9 s": record(a={**STRING, "pattern": "^([a-z]{1,20}){1,20}$"}),
    "repetition of anything, 18.6 s": record(a={**STRING, "pattern": "^" + ".{1,20}" * 8 + "$"}),
    "patternProperties": {"type": "object", "patternProperties": {"^(.?){100}$": STRING}},
    "arrays with different maxItems": many(600, lambda i: {"type": "array", "items": {}, "maxItems": 100 + i}),
    "uri templates, 2.6 s": many(50, lambda i: {**STRING, "format": "uri-template"}),
    "further properties beside long names, 6 s": {
        "type": "object",
        "properties": {f"f{i}" * 8: STRING for i in range(40)},
        "additionalProperties": True,
    },
    "further properties beside very long names": {
        "type": "object",
        "properties": {f"f{i}" * 1000: STRING for i in range(4)},
        "additionalProperties": True,
    },
    "texts of emoji": record(a={"enum": ["\U0001f600" * 15_000]}),
    "texts": record(a={"enum": ["x" * 60_000]}),
    "a pattern whose counts begin with zeros, 18.6 s": record(a={**STRING, "pattern": "^" + ".{001,0020}" * 8 + "$"}),
    "a pattern of many wide signs, 9 s": record(a={**STRING, "pattern": "." * 2000}),
    "strings with different minLength, 1.6 s": many(30, lambda i: {**STRING, "minLength": 1 + i}),
    "names under required that are no properties": {
        "type": "object",
        "properties": {f"f{i}": {} for i in range(1000)},
        "required": [f"no{i}" for i in range(1000)],
    },
    "required properties that are counted, 8 s": {
        **many(600, lambda i: STRING),
        "required": [f"f{i}" for i in range(600) if i % 30],
        "minProperties": 590,
        "additionalProperties": STRING,
    },
    "objects as values": record(a={"const": {"b": "x" * 60_000}}),
}
# With the milliseconds that vLLM's API server took for each request.
BUSY: dict[str, Schema] = {
    "320 bounded numbers, 78 ms": many(
        320, lambda i: {"type": "number", "minimum": i + 0.12345, "maximum": i + 1234.5}
    ),
    "pattern, 190 ms": record(a={**STRING, "pattern": "a{1,1400}"}),
    "the same pattern ten times": many(20, lambda i: {**STRING, "pattern": "a{1,300}"}),
}
FAST: dict[str, Schema] = {
    "a record": record(name=STRING, age={"type": "integer", "minimum": 0, "maximum": 150}),
    "a long text": record(a={**STRING, "maxLength": 4000}),
    "one bound for all": many(60, lambda i: {**STRING, "maxLength": 100}),
    "short texts": many(20, lambda i: {**STRING, "maxLength": 50 + i}),
    "a big enum": record(a={"enum": [f"value {i}" for i in range(1000)]}),
    "many strings": many(300, lambda i: STRING),
    "many objects": {"anyOf": [record(**{f"k{i}": STRING, "n": {"type": ["integer", "null"]}}) for i in range(200)]},
    "dates": many(50, lambda i: {**STRING, "format": "date-time"}),
    "a number of a phone": record(a={**STRING, "pattern": r"^\+?[0-9]{1,3}[- ]?[0-9]{3,4}[- ]?[0-9]{3,4}$"}),
    "a tree": {
        "$defs": {"n/m": record(c={"type": "array", "items": {"$ref": "#/$defs/n~1m"}})},
        "$ref": "#/$defs/n~1m",
    },
    "a reference into a list": {"anyOf": [STRING, record(a={"$ref": "#/anyOf/0"})]},
    "anything": {},
    "any names": {"type": "object", "propertyNames": True},
    "true": record(a=True),  # type: ignore[arg-type]
    "a reference to true": {"$defs": {"any": True}, "properties": {"a": {"$ref": "#/$defs/any"}}},
    "items as a list": {"type": "array", "items": [STRING, {"type": "integer"}]},
    "properties that are counted": {**many(20, lambda i: STRING), "required": ["f0"], "minProperties": 3},
    "100 bounded numbers": many(100, lambda i: {"type": "number", "minimum": i, "maximum": i + 0.5}),
    "values of all kinds": record(a={"enum": [1, None, True, "a", [1, {"b": 2.5}], {"c": ["d"]}]}),
    "further properties": {"type": "object", "properties": {"a": STRING}, "additionalProperties": STRING},
    "a property called enum": record(enum=STRING, pattern=STRING, maxLength=STRING, default=STRING),
}
IMPOSSIBLE: dict[str, Any] = {
    "leads back to itself": {"$ref": "#"},
    "leads back to itself; put": {
        "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}},
        "$ref": "#/$defs/a",
    },
    "leads back": {"$defs": {"a": {"anyOf": [STRING, {"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"},
    "leads to no schema": {"$ref": "https://example.com/schema"},
    "leads to no": {"$ref": "#/$defs/none"},
    "to no schema": {"default": {}, "$ref": "#/default"},
    "to no schema in it": {"$defs": {"a": {"enum": ["x"]}}, "$ref": "#/$defs/a/enum/0/0"},
    "no schema in it": {"anyOf": [STRING], "$ref": "#/anyOf/7"},
    "schema in it": {"$ref": 7},
    "nested deeper": nested(40),
    "more than 2000 parts": {"anyOf": [{} for _ in range(3000)]},
    "has to be an object": ["string"],
    "to be an object": {"properties": {"a": "string"}},
    "pattern has to be": {"type": "object", "properties": {"a": {"pattern": 5}}},
    "anyOf has to be a list": {"anyOf": 5},
    "oneOf has to be a list": {"oneOf": True},
    "allOf has to be a list": {"allOf": 5},
    "enum has to be a list": {"enum": "ab"},
    "format has to be a string": record(a={**STRING, "format": []}),
    "properties has to be an object": {"properties": [STRING]},
    "required has to be a list of names": {"required": [{}]},
    "maximum has to be a number from": record(a={"type": "number", "maximum": 1e300}),
    "minimum has to be a number from": record(a={"type": "number", "minimum": float("nan")}),
    "beside 20 optional properties": {"properties": {f"f{i}": STRING for i in range(21)}, "maxProperties": 9},
    "that is no repetition": record(a={**STRING, "pattern": "a{,5}"}),
    "maxLength has to be": record(a={**STRING, "maxLength": "5"}),
    "minItems has to be": {"type": "array", "minItems": 10**9},
    "maxLength has to": record(a={**STRING, "maxLength": True}),
    "minLength is more": record(a={**STRING, "minLength": 5, "maxLength": 2}),
    "exclusiveMinimum has to be a number": record(a={"type": "integer", "minimum": 5, "exclusiveMinimum": True}),
    "minimum is more": record(a={"type": "integer", "minimum": 5, "maximum": 2}),
    "multipleOf": record(a={"type": ["integer", "null"], "multipleOf": 5}),
    "uniqueItems": {"type": "array", "items": STRING, "uniqueItems": True},
    "contains": {"type": "array", "contains": STRING},
    "format 'colour'": record(a={**STRING, "format": "colour"}),
    "together with minLength or maxLength": record(a={**STRING, "pattern": "^a", "maxLength": 5}),
    "allOf": {"allOf": [STRING, {"enum": ["a"]}]},
    "a pattern and a length": {"type": "object", "propertyNames": {"format": "date", "minLength": 2}},
    "with properties": {"type": "object", "propertyNames": {}, "properties": {}},
    "with patternProperties": {"type": "object", "propertyNames": {}, "patternProperties": {}},
    "with unevaluatedProperties": {"type": "object", "propertyNames": {}, "unevaluatedProperties": False},
    "several patterns": {"type": "object", "patternProperties": {"a": {}, "b": {}}},
}


@pytest.mark.parametrize("name", SLOW)
def test_a_schema_that_takes_long_to_compile_is_refused(name: str) -> None:
    with pytest.raises(GrammarError, match=r"about [\d.]+ seconds to compile"):
        check_schema(SLOW[name])


@pytest.mark.parametrize("name", BUSY)
def test_a_schema_that_keeps_the_api_server_busy_at_each_request_is_refused(name: str) -> None:
    with pytest.raises(GrammarError, match=r"about \d+ milliseconds to check"):
        check_schema(BUSY[name])


@pytest.mark.parametrize("name", FAST)
def test_a_schema_that_compiles_at_once_is_let_in(name: str) -> None:
    check_schema(FAST[name])


@pytest.mark.parametrize("says", IMPOSSIBLE)
def test_a_schema_that_cannot_constrain_an_answer_is_refused_with_the_reason(says: str) -> None:
    with pytest.raises(GrammarError, match=says):
        check_schema(IMPOSSIBLE[says])


KEYWORDS = (
    *("type", "anyOf", "oneOf", "allOf", "prefixItems", "properties", "patternProperties", "$defs", "definitions"),
    *("required", "format", "pattern", "enum", "const", "$ref", "items", "additionalProperties", "minLength"),
    *("maxLength", "minimum", "exclusiveMaximum", "minItems", "maxProperties", "propertyNames", "not", "if"),
    *("unevaluatedProperties", "dependentSchemas", "contains", "multipleOf", "uniqueItems"),
)
keywords = st.sampled_from(KEYWORDS)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["string", "object", "#", "{", "email"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keywords, inner, max_size=4),
    max_leaves=12,
)


@given(anything)
def test_any_json_is_let_in_or_refused_with_a_sentence(schema: object) -> None:
    with suppress(GrammarError):
        check_schema(schema)


def test_values_as_deep_as_json_may_be_are_counted() -> None:
    value: list[Any] = []
    for _ in range(5000):
        value = [value]
    with pytest.raises(GrammarError, match=r"about [\d.]+ seconds|milliseconds"):
        check_schema(record(**{f"f{i}": {"const": value} for i in range(4)}))


def test_a_length_beside_a_short_one_costs_as_much_as_ever() -> None:
    check_schema(record(a={**STRING, "maxLength": 100}, b={**STRING, "minLength": 1, "maxLength": 20}))
    with pytest.raises(GrammarError):
        check_schema(
            record(a={**STRING, "maxLength": 200}, b={**STRING, "maxLength": 300}, c={**STRING, "maxLength": 400})
        )


def test_values_that_nothing_ends_are_named() -> None:
    assert unbounded(record(a=STRING, b={"type": "integer", "minimum": 0}, c={"type": "array", "items": {}})) == [
        "strings without maxLength",
        "numbers without minimum and maximum",
        "arrays without maxItems",
        "values of any type",
    ]
    assert unbounded(record(a={"title": "A", "description": "anything"})) == ["values of any type"]
    bounded = record(
        a={**STRING, "maxLength": 5},
        b={"type": ["number", "null"], "minimum": 0, "exclusiveMaximum": 5},
        c={"type": "array", "maxItems": 2, "items": {"enum": ["x"]}},
        d={"type": "integer", "enum": [1, 2]},
        e={"type": {"odd": 1}},
    )
    assert unbounded(bounded) == []


def test_a_long_reference_is_followed_once() -> None:
    long = {"$ref": "#/$defs/" + "%41" * 4000}
    began = time.process_time()
    for _ in range(5):
        check_schema({"anyOf": [long] * 700, "$defs": {"A" * 4000: STRING}})
    assert time.process_time() - began < 2  # Some seconds when it was followed each time.
