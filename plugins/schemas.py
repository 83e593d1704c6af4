"""The parts of a JSON Schema that are schemas themselves: told by where they stand, never by what they are called.

A property may be called ``default`` or ``enum``, and what stands there is a schema; what stands behind the keyword
``default`` is data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

# Behind a keyword: a schema, a list of them, or schemas by name. ``items`` may be one or a list.
_ONE = frozenset(
    {"additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not",
     "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties", "extends"}
)  # fmt: skip
_LIST = frozenset({"allOf", "anyOf", "items", "oneOf", "prefixItems", "extends"})
_NAMED = frozenset({"$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"})
# Those that look at the same value as the schema does in which they stand.
_SAME_VALUE = frozenset(
    {"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependencies", "dependentSchemas", "extends"}
)
REFERENCES = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})
# What a reference leads to. May raise.
Follow = Callable[[str], Any]


class EndlessError(ValueError):
    """A schema refers to itself for the same value."""


def subschemas(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The schemas that stand directly in one, each with its keyword."""
    for keyword, value in schema.items():
        if keyword in _ONE and isinstance(value, Mapping | bool):
            yield keyword, value
        if keyword in _LIST and isinstance(value, list):
            yield from ((keyword, one) for one in value)
        if keyword in _NAMED and isinstance(value, Mapping):
            yield from ((keyword, one) for one in value.values() if isinstance(one, Mapping | bool))


def all_schemas(schema: Any, follow: Follow) -> Iterator[Mapping[str, Any]]:
    """A schema, all that stand in it, and all that they refer to, each once."""
    waiting, seen = [schema], set[int]()
    while waiting:
        one = waiting.pop()
        if not isinstance(one, Mapping) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [inner for _, inner in subschemas(one)]
        waiting += [follow(value) for value in references(one)]


def references(schema: Mapping[str, Any]) -> list[str]:
    """What a schema refers to."""
    return [value for key, value in schema.items() if key in REFERENCES and isinstance(value, str)]


def comparisons(schema: Any, follow: Follow, known: dict[int, int]) -> int:
    """How many schemas one value is compared with at worst, counted without doing so. Raises EndlessError.

    ``known``: what was found of others in the same schema, by their ids.
    """
    if not isinstance(schema, Mapping):
        return 1
    found = known.get(id(schema))
    if found == 0:
        raise EndlessError
    if found is None:
        known[id(schema)] = 0
        same = [inner for keyword, inner in subschemas(schema) if keyword in _SAME_VALUE]
        same += [follow(value) for value in references(schema)]
        found = known[id(schema)] = 1 + sum(comparisons(one, follow, known) for one in same)
    return found
