"""Whether a client's JSON Schema admits all that a policy's own admits: compared here, and never sent on.

Where that is not plain, it is not said: keywords that only one of the two has, or that are rarely used, have to be the
same in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from postil.gateway.inference.comparison_budget import ComparisonBudget
from postil.registry.errors import GrammarError

_DEEPEST = 64
# A look at a part, in steps, and how many of its keywords or values are looked at in a step.
_LOOK, _VALUES = 4, 8
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


def admits(schema: object, policy: object, budget: ComparisonBudget) -> bool:
    """Whether every value that ``policy`` admits fits ``schema``. Raises GrammarError."""
    return _Comparison(schema, policy, budget).holds(schema, policy)


class _Comparison:
    """A client's schema and a policy's, part by part."""

    def __init__(self, root: object, policy: object, budget: ComparisonBudget) -> None:
        self._root = root
        self._policy = policy
        self._budget = budget
        # By its id: a part, which so stays alive, and what is left of it.
        self._known: dict[int, tuple[object, Schema | None]] = {}

    def holds(self, schema: object, policy: object, depth: int = 0) -> bool:
        """Whether a part of the client's admits all of a part of the policy's."""
        if depth > _DEEPEST:
            raise GrammarError(f"the schema is nested deeper than {_DEEPEST} levels; send a flatter one")
        self._budget.spend(_LOOK)
        ours, theirs = self._plain(self._root, schema), self._plain(self._policy, policy)
        if ours == {} or self._equal(ours, theirs):
            return True
        if theirs is None or ours is None:
            return theirs is None
        for keyword in ("anyOf", "oneOf"):
            if isinstance(alternatives := theirs.get(keyword), list):
                return all(self.holds(schema, each, depth + 1) for each in alternatives)
        for keyword in ("anyOf", "oneOf"):
            if isinstance(alternatives := ours.get(keyword), list):
                return any(self.holds(each, policy, depth + 1) for each in alternatives)
        self._budget.spend(len(ours))
        return all(self._keyword(keyword, ours, theirs, depth) for keyword in ours)

    def _keyword(self, keyword: str, ours: Schema, theirs: Schema, depth: int) -> bool:
        value = ours[keyword]
        if keyword == "type":
            return self._kinds(theirs) <= self._kinds(ours)
        if keyword in ("enum", "const"):
            return self._are_among(_listed(theirs), _listed(ours))
        if keyword in _AT_LEAST:
            return _is_bound(theirs.get(keyword)) and _is_bound(value) and bool(value <= theirs[keyword])
        if keyword in _AT_MOST:
            return _is_bound(theirs.get(keyword)) and _is_bound(value) and bool(theirs[keyword] <= value)
        if keyword == "items":
            return "array" not in self._kinds(theirs) or self.holds(value, theirs.get("items", True), depth + 1)
        if keyword == "required":
            return isinstance(value, list) and (not value or self._are_among(value, theirs.get("required", [])))
        if keyword in ("properties", "additionalProperties"):
            return self._properties(ours, theirs, depth)
        return keyword in theirs and self._equal(theirs[keyword], value)

    def _properties(self, ours: Schema, theirs: Schema, depth: int) -> bool:
        """An object has no other properties than the policy names, unless that says so: so vLLM reads it."""
        named, known = ours.get("properties", {}), theirs.get("properties", {})
        others = ours.get("additionalProperties", True)
        if not isinstance(named, dict) or not isinstance(known, dict):
            return False
        if theirs.get("additionalProperties", False) is not False and others is not True:
            return False
        return all(self.holds(named.get(name, others), inner, depth + 1) for name, inner in known.items())

    def _are_among(self, values: list[Any], known: list[Any]) -> bool:
        """Whether each value is one of those known; not where that would take too long."""
        weight = self._budget.weight
        steps = min(len(known) * weight(values), len(values) * weight(known))
        if not values or not self._budget.affords(steps):
            return False
        self._budget.spend(steps)
        return all(each in known for each in values)

    def _equal(self, one: object, other: object) -> bool:
        if type(one) is type(other):
            self._budget.spend(min(self._budget.weight(one), self._budget.weight(other)))
        return one == other

    def _kinds(self, schema: Schema) -> frozenset[str]:
        """The types of values; a number may be an integer."""
        kinds, values = schema.get("type", ()), _listed(schema)
        self._budget.spend(((len(kinds) if isinstance(kinds, list) else 0) + len(values)) // _VALUES)
        if "type" not in schema and values:
            return frozenset({"string"}) if all(isinstance(value, str) for value in values) else _KINDS
        found = frozenset(kind for kind in (kinds if isinstance(kinds, list) else [kinds]) if isinstance(kind, str))
        return (found | {"integer"} if "number" in found else found) or _KINDS

    def _plain(self, root: object, schema: object) -> Schema | None:
        """A part without what says nothing, its reference followed; empty where it admits all, None where nothing.

        Each part is read once. Raises GrammarError.
        """
        if (known := self._known.get(id(schema))) is None:
            known = self._known[id(schema)] = (schema, self._read(root, schema))
        return known[1]

    def _read(self, root: object, schema: object) -> Schema | None:
        for _ in range(_DEEPEST):
            if isinstance(schema, bool):
                return {} if schema else None
            if not isinstance(schema, dict):
                raise GrammarError("a schema has to be an object; see json-schema.org")
            self._budget.spend(1 + len(schema) // _VALUES)
            plain = {name: value for name, value in schema.items() if name not in _ANNOTATIONS}
            if plain.keys() != {"$ref"}:
                return plain
            schema = self._budget.resolved(root, plain["$ref"])
        raise GrammarError("a $ref of the schema leads back to itself; put a property or an item between")


def _listed(schema: Schema) -> list[Any]:
    values = schema.get("enum")
    return [schema["const"]] if "const" in schema else values if isinstance(values, list) else []


def _is_bound(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
