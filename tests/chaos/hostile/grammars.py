"""Attacks on the one thread that compiles grammars, and on the number of sequences."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from tests.chaos.hostile.attacker import Attack, Attacker

Body = Mapping[str, Any]
_DEEP = 40


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "required": list(properties)}


def _strings() -> dict[str, Any]:
    """Sixty strings of different lengths: 4 KB that take half a minute to compile."""
    return _object({f"field_{number}": {"type": "string", "maxLength": 2000 + number} for number in range(60)})


def _doubling(depth: int = _DEEP) -> dict[str, Any]:
    """Each level refers twice to the one below."""
    levels: dict[str, Any] = {"d0": {"type": "string"}}
    for level in range(1, depth):
        below = {"$ref": f"#/$defs/d{level - 1}"}
        levels[f"d{level}"] = {"anyOf": [_object({"a": below}), _object({"a": below, "b": below})]}
    return {"$defs": levels, "$ref": f"#/$defs/d{depth - 1}"}


def _nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema, "maxItems": 1000, "minItems": 500}
    return schema


_MUTUAL = {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}
_EBNF = "root ::= " + " ".join(f'("{letter}"{{0,500}})' for letter in "abcdefghijklmnop")
_ZEROS = "(.{0000001,0000020})"
_OPTIONAL = {f"p{number}": {"type": "string"} for number in range(600)}
_SCHEMAS: Mapping[str, Any] = {
    "schema of 60 long strings": _strings(),
    "schema that refers to itself": {"$ref": "#"},
    "schema of two that refer to each other": _MUTUAL,
    "schema that doubles 40 deep": _doubling(),
    "schema with 20,000 alternatives": {"enum": [f"value-{number}" for number in range(20_000)]},
    "schema of nested repetitions": _nested(6),
    "schema with a pattern that explodes": {"type": "string", "pattern": "^(a|a|a|a|b){1,1000}(c{1,1000}){1,1000}$"},
    "schema with a pattern whose counts begin with zeros": {"type": "string", "pattern": "^" + _ZEROS * 8 + "$"},
    "schema with many wide signs in a row": {"type": "string", "pattern": "." * 4000},
    "schema of 600 properties that are counted": {"type": "object", "properties": _OPTIONAL, "maxProperties": 500},
    "schema with 5,000 properties": _object({f"p{number}": {"type": "integer"} for number in range(5000)}),
}


def _response_format(schema: Any) -> Body:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}}


def _tool(schema: Any) -> Body:
    function = {"name": "f", "description": "d", "parameters": schema}
    return {"tools": [{"type": "function", "function": function}], "tool_choice": "required"}


_TAG = {
    "type": "structural_tag",
    "structures": [{"begin": "<a>", "schema": _strings(), "end": "</a>"}],
    "triggers": ["<"],
}
# More ways to have something compiled, each by its fields.
_OTHERS: Mapping[str, Body] = {
    "EBNF with repetitions": {"structured_outputs": {"grammar": _EBNF}},
    "structural tag": {"response_format": _TAG},
    "regex that explodes": {"structured_outputs": {"regex": "(a{1,500}b{1,500}){1,500}"}},
    "10,000 choices": {"structured_outputs": {"choice": [f"choice {number} of many" for number in range(10_000)]}},
    "guided_grammar of old": {"guided_grammar": _EBNF},
    "guided_json of old": {"guided_json": _strings()},
    "two constraints at once": {"structured_outputs": {"regex": "a+", "json": {"type": "object"}}},
    "unknown grammar backend": {"structured_outputs": {"json": {"type": "object"}, "_backend": "outlines"}},
}
# Requests that ask for many answers or very long ones.
_MANY: Mapping[str, Body] = {
    "n of 600": {"n": 600},
    "n of 16,384": {"n": 16_384},
    "n as a text": {"n": "600"},
    "n of true": {"n": True},
    "best_of of 1,000": {"best_of": 1000},
    "a billion tokens": {"max_tokens": 1_000_000_000, "ignore_eos": True},
    "a billion tokens at least": {"min_tokens": 1_000_000_000},
    "a million log-probabilities": {"logprobs": True, "top_logprobs": 1_000_000},
}


async def _chat(body: Body, attacker: Attacker) -> int:
    return await attacker.chat(**body)


async def _json_to_a_release(attacker: Attacker) -> int:
    return await attacker.chat(model="healthcare/triage", **_response_format(_strings()))


async def _structured(schema: Any, attacker: Attacker) -> int:
    return await attacker.chat(structured_outputs={"json": schema})


async def _new_grammar_each_time(attacker: Attacker) -> int:
    """Twenty grammars that nobody asked for before."""
    status = 0
    for number in range(20):
        name = f"k{number}_{id(attacker)}_{len(attacker.answers)}"
        status = await attacker.chat(max_tokens=1, **_response_format(_object({name: {"type": "integer"}})))
    return status


async def _prompts(count: int, attacker: Attacker) -> int:
    return await attacker.text(["hello"] * count, max_tokens=1)


async def _prompts_times_n(attacker: Attacker) -> int:
    return await attacker.text(["hello"] * 8, n=8, max_tokens=1)


def _runs() -> dict[str, Callable[[Attacker], Awaitable[int]]]:
    runs: dict[str, Callable[[Attacker], Awaitable[int]]] = {}
    for name, schema in _SCHEMAS.items():
        runs[name] = partial(_chat, _response_format(schema))
        runs[f"{name}, in structured_outputs"] = partial(_structured, schema)
        runs[f"{name}, of a tool"] = partial(_chat, _tool(schema))
    runs |= {name: partial(_chat, body) for name, body in _OTHERS.items()}
    runs["schema to a release"] = _json_to_a_release
    runs["a new grammar each time"] = _new_grammar_each_time
    return runs


GRAMMARS = [Attack(name, 1, run) for name, run in _runs().items()]
SEQUENCES = [
    *(Attack(name, 2, partial(_chat, body)) for name, body in _MANY.items()),
    Attack("1,024 prompts", 2, partial(_prompts, 1024)),
    Attack("100,000 prompts", 2, partial(_prompts, 100_000)),
    Attack("8 prompts of 8 answers", 2, _prompts_times_n),
]
