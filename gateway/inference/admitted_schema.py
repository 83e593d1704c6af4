"""Whether a client's JSON Schema admits all that a policy's own admits: compared here, and never sent on.

Where that is not plain, it is not said: keywords that only one of the two has, or that are rarely used, have to be the
same in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from postil.registry.errors import GrammarError
from postil.registry.policy.grammars.schemas import resolved

_MOST_STEPS, _DEEPEST = 5_000, 64
# These say nothing of which values there are.
_ANNOTATIONS = frozenset(
    {
        "$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default", "examples", "format",
        "deprecated", "readOnly", "writeOnly", "strict",
    }
)  # fmt: skip
_AT_LEAST = frozenset({"minLength", "minItems", "minProperties", "minimum", "exclusiveMinimum"})
_AT_MOST = frozenset({"maxLength", "maxItems", "maxProperties", "maximum", "exclusiveMaximum"})
_KINDS = frozenset({"string", "number", "integer", "boolean", "null", "array", "object"})
Schema = Mapping[str, Any]


def admits(schema: object, policy: object) -> bool:
    """Whether every value that ``policy`` admits fits ``schema``. Raises GrammarError."""
    return _Comparison(schema, policy).holds(schema, policy)


class _Comparison:
    """A client's schema and a policy's, part by part."""

    def __init__(self, root: object, policy: object) -> None:
        self._root = root
        self._policy = policy
        self._steps = 0

    def holds(self, schema: object, policy: object, depth: int = 0) -> bool:
        """Whether a part of the client's admits all of a part of the policy's."""
        self._steps += 1
        if self._steps > _MOST_STEPS or depth > _DEEPEST:
            raise GrammarError("the schema has too many parts to be compared with the policy's; send a smaller one")
        ours, theirs = _plain(self._root, schema), _plain(self._policy, policy)
        if ours == {} or ours == theirs:
            return True
        if theirs is None or ours is None:
            return theirs is None
        for keyword in ("anyOf", "oneOf"):
            if isinstance(alternatives := theirs.get(keyword), list):
                return all(self.holds(schema, each, depth + 1) for each in alternatives)
        for keyword in ("anyOf", "oneOf"):
            if isinstance(alternatives := ours.get(keyword), list):
                return any(self.holds(each, policy, depth + 1) for each in alternatives)
        return all(self._keyword(keyword, ours, theirs, depth) for keyword in ours)

    def _keyword(self, keyword: str, ours: Schema, theirs: Schema, depth: int) -> bool:
        value = ours[keyword]
        if keyword == "type":
            return _kinds(theirs) <= _kinds(ours)
        if keyword in ("enum", "const"):
            values, known = _listed(theirs), _listed(ours)
            self._steps += len(values) * len(known)
            return bool(values) and self._steps <= _MOST_STEPS and all(each in known for each in values)
        if keyword in _AT_LEAST:
            return _is_bound(theirs.get(keyword)) and _is_bound(value) and bool(value <= theirs[keyword])
        if keyword in _AT_MOST:
            return _is_bound(theirs.get(keyword)) and _is_bound(value) and bool(theirs[keyword] <= value)
        if keyword == "items":
            return "array" not in _kinds(theirs) or self.holds(value, theirs.get("items", True), depth + 1)
        if keyword == "required":
            return isinstance(value, list) and all(name in theirs.get("required", ()) for name in value)
        if keyword in ("properties", "additionalProperties"):
            return self._properties(ours, theirs, depth)
        return keyword in theirs and bool(theirs[keyword] == value)

    def _properties(self, ours: Schema, theirs: Schema, depth: int) -> bool:
        """An object has no other properties than the policy names, unless that says so: so vLLM reads it."""
        named, known = ours.get("properties", {}), theirs.get("properties", {})
        others = ours.get("additionalProperties", True)
        if not isinstance(named, dict) or not isinstance(known, dict):
            return False
        if theirs.get("additionalProperties", False) is not False and others is not True:
            return False
        return all(self.holds(named.get(name, others), inner, depth + 1) for name, inner in known.items())


def _plain(root: object, schema: object) -> Schema | None:
    """A part without what says nothing, its reference followed; empty where it admits all, None where nothing.

    Raises GrammarError.
    """
    for _ in range(_DEEPEST):
        if isinstance(schema, bool):
            return {} if schema else None
        if not isinstance(schema, dict):
            raise GrammarError("a schema has to be an object; see json-schema.org")
        plain = {name: value for name, value in schema.items() if name not in _ANNOTATIONS}
        if plain.keys() != {"$ref"}:
            return plain
        if (schema := resolved(root, plain["$ref"])) is None:
            raise GrammarError("a $ref of the schema leads to no schema in it; put what it means under $defs")
    raise GrammarError("a $ref of the schema leads back to itself; put a property or an item between")


def _kinds(schema: Schema) -> frozenset[str]:
    """The types of values; a number may be an integer."""
    if "type" not in schema and (values := _listed(schema)):
        return frozenset({"string"}) if all(isinstance(value, str) for value in values) else _KINDS
    kinds = schema.get("type", ())
    found = frozenset(kind for kind in (kinds if isinstance(kinds, list) else [kinds]) if isinstance(kind, str))
    return (found | {"integer"} if "number" in found else found) or _KINDS


def _listed(schema: Schema) -> list[Any]:
    values = schema.get("enum")
    return [schema["const"]] if "const" in schema else values if isinstance(values, list) else []


def _is_bound(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
