"""Bounds of JSON schemas that constrain decoding: what vLLM cannot compile, or not within a second or two.

vLLM checks each request's schema while it answers nobody else, and compiles it in a few threads without a limit of
time. So both are estimated before anything is sent (``deploy/decisions/0022-cost-before-it-is-spent.md``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any
from urllib.parse import unquote

from postil.registry.errors import GrammarError
from postil.registry.policy.grammars.estimate import Estimate
from postil.registry.policy.grammars.schema_estimate import schema_estimate
from postil.registry.policy.grammars.support import check_supported

MOST_MILLISECONDS = 2600
# While the API server checks a schema it answers nobody; it does so for every request.
MOST_FRONT_MILLISECONDS = 50
DEEPEST = 32
MOST_PARTS = 2000
Schema = Mapping[str, Any]
# These say nothing of which values there are.
_ANNOTATIONS = frozenset(
    {"$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default", "examples"}
)

# Where a schema holds others: under names, in a list, or as the value itself (``items`` may be a list, too).
_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = (
    "items", "additionalProperties", "additionalItems", "not", "if", "then", "else", "contains", "propertyNames",
    "unevaluatedItems", "unevaluatedProperties",
)  # fmt: skip
# These choose among schemas for the same value: a way round through them alone never comes to an end.
_SAME_VALUE = ("anyOf", "oneOf", "allOf")


def check_schema(schema: object) -> None:
    """Refuse a schema that vLLM would not take, or would compile for too long. Raises GrammarError."""
    check_time(checked_parts(schema))


def checked_parts(schema: object) -> Sequence[Schema]:
    """Every schema within a schema, the whole one first; how long they take is not looked at. Raises GrammarError."""
    parts = list(_parts(schema))
    for part in parts:
        check_supported(part)
    _check_references(schema, parts)
    return parts


def check_time(parts: Sequence[Schema]) -> Estimate:
    """Refuse parts of schemas that keep vLLM busy for too long; returns for how long. Raises GrammarError."""
    found = schema_estimate(parts)
    if found.compile > MOST_MILLISECONDS:
        raise GrammarError(
            f"the schema would take vLLM about {found.compile / 1000:.1f} seconds to compile, and"
            f" {MOST_MILLISECONDS / 1000} are allowed; use fewer different maxLength, minLength and repetitions in"
            " patterns"
        )
    if found.front > MOST_FRONT_MILLISECONDS:
        raise GrammarError(
            f"the schema would take vLLM about {found.front:.0f} milliseconds to check for each request, and"
            f" {MOST_FRONT_MILLISECONDS} are allowed; use fewer properties, and fewer numbers with a minimum and a"
            " maximum"
        )
    return found


def unbounded(schema: object) -> list[str]:
    """Name the kinds of values in a schema that nothing ends: an answer of them may run into its last token."""
    found: dict[str, None] = {}
    for part in _parts(schema):
        kinds = part.get("type")
        kinds = kinds if isinstance(kinds, list) else [kinds]
        if "string" in kinds and not {"maxLength", "pattern", "format", "enum", "const"} & part.keys():
            found["strings without maxLength"] = None
        if {"number", "integer"} & {kind for kind in kinds if isinstance(kind, str)} and not (
            {"enum", "const"} & part.keys() or ({"minimum", "exclusiveMinimum"} & part.keys() and _has_maximum(part))
        ):
            found["numbers without minimum and maximum"] = None
        if "array" in kinds and not {"maxItems", "enum", "const"} & part.keys():
            found["arrays without maxItems"] = None
        if not part.keys() - _ANNOTATIONS:
            found["values of any type"] = None
    return list(found)


def _has_maximum(part: Schema) -> bool:
    return bool({"maximum", "exclusiveMaximum"} & part.keys())


def _parts(schema: object) -> Iterator[Schema]:
    """Every schema within a schema, the whole one first. Raises GrammarError where they are too many or too deep."""
    level: list[object] = [schema]
    seen = 0
    for _ in range(DEEPEST):
        below: list[object] = []
        for part in level:
            if isinstance(part, bool):
                continue
            if not isinstance(part, dict):
                raise GrammarError("a schema has to be an object; see json-schema.org")
            yield part
            below += _children(part)
        seen += len(below)
        if seen > MOST_PARTS:
            raise GrammarError(f"the schema has more than {MOST_PARTS} parts; send a smaller one")
        if not below:
            return
        level = below
    raise GrammarError(f"the schema is nested deeper than {DEEPEST} levels; send a flatter one")


def _children(part: Schema) -> Iterator[object]:
    for keyword in _NAMED:
        if isinstance(named := part.get(keyword), dict):
            yield from named.values()
    for keyword in _LISTED:
        if isinstance(listed := part.get(keyword), list):
            yield from listed
    for keyword in _SINGLE:
        if keyword in part:
            value = part[keyword]
            yield from value if isinstance(value, list) else [value]


def _check_references(schema: object, parts: Sequence[Schema]) -> None:
    """Refuse references that lead nowhere, elsewhere, or back without a value between. Raises GrammarError."""
    known = {id(part) for part in parts}
    edges: dict[int, list[int]] = {}
    targets: dict[object, object] = {}  # A long reference takes long to follow, and may be in a thousand parts.
    for part in parts:
        same = [id(other) for keyword in _SAME_VALUE for other in part.get(keyword) or () if isinstance(other, dict)]
        if "$ref" in part:
            reference = part["$ref"] if isinstance(part["$ref"], str) else None
            if reference not in targets:
                targets[reference] = resolved(schema, reference)
            target = targets[reference]
            if id(target) not in known and not isinstance(target, bool):
                raise GrammarError("a $ref of the schema leads to no schema in it; put what it means under $defs")
            same.append(id(target))
        edges[id(part)] = same
    try:
        TopologicalSorter(edges).prepare()
    except CycleError:
        raise GrammarError("a $ref of the schema leads back to itself; put a property or an item between") from None


def resolved(schema: object, reference: object) -> object:
    """What a reference names; None if that is nothing."""
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        return None
    found = schema
    for step in reference.split("/")[1:]:
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict):
            found = found.get(name)
        elif isinstance(found, list) and name.isdecimal() and int(name[:6]) < len(found):
            found = found[int(name[:6])]
        else:
            return None
    return found
