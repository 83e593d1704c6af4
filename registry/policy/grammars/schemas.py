"""Bounds of JSON schemas that constrain decoding: what vLLM cannot compile, or not within a second or two.

vLLM compiles grammars in a few threads without a limit of time, and everybody's answers wait for them. So the time is
estimated here, before anything is sent: the figures are milliseconds of xgrammar 0.2.8 on one CPU core (how they were
measured is in ``deploy/decisions/0022-cost-before-it-is-spent.md``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any
from urllib.parse import unquote

from postil.registry.errors import GrammarError
from postil.registry.policy.grammars.patterns import check_pattern, pattern_cost
from postil.registry.policy.grammars.support import check_supported

MOST_MILLISECONDS = 2600
DEEPEST = 32
MOST_PARTS = 2000
Schema = Mapping[str, Any]

# Where a schema holds others: under names, in a list, or as the value itself (``items`` may be a list, too).
_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = (
    "items", "additionalProperties", "additionalItems", "not", "if", "then", "else", "contains", "propertyNames",
    "unevaluatedItems", "unevaluatedProperties",
)  # fmt: skip
# These choose among schemas for the same value: a way round through them alone never comes to an end.
_SAME_VALUE = ("anyOf", "oneOf", "allOf")
# Strings with a bound up to here share most of their states; each longer one takes about as long as any other.
_LONG = 128
_FIRST_LONG, _NEXT_LONG, _SHORT, _PER_LENGTH = 1250.0, 650.0, 45.0, 10.0
_PER_MINIMUM, _MOST_MINIMUM = 6.0, 120
_PART, _NUMBER, _ARRAY, _FORMAT, _URI_TEMPLATE = 1.0, 3.0, 5.0, 15.0, 60.0
_OPTIONAL, _CHARACTER = 0.0035, 0.05


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


def check_time(parts: Sequence[Schema]) -> None:
    """Refuse parts of schemas that vLLM would compile for too long. Raises GrammarError."""
    if (found := schema_cost(parts)) > MOST_MILLISECONDS:
        raise GrammarError(
            f"the schema would take vLLM about {found / 1000:.1f} seconds to compile, and {MOST_MILLISECONDS / 1000}"
            " are allowed; use fewer different maxLength, minLength and repetitions in patterns"
        )


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
    for part in parts:
        same = [id(other) for keyword in _SAME_VALUE for other in part.get(keyword) or () if isinstance(other, dict)]
        if "$ref" in part:
            target = _resolved(schema, part["$ref"])
            if id(target) not in known and not isinstance(target, bool):
                raise GrammarError("a $ref of the schema leads to no schema in it; put what it means under $defs")
            same.append(id(target))
        edges[id(part)] = same
    try:
        TopologicalSorter(edges).prepare()
    except CycleError:
        raise GrammarError("a $ref of the schema leads back to itself; put a property or an item between") from None


def _resolved(schema: object, reference: object) -> object:
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


def schema_cost(parts: Sequence[Schema]) -> float:
    """Return the milliseconds that a schema with these parts takes to compile, roughly; rather too high than low."""
    total = 0.0
    lengths: set[tuple[object, object]] = set()
    minimums: set[int] = set()
    patterns: set[str] = set()
    for part in parts:
        total += _PART + _part_cost(part)
        patterns.update(map(check_pattern, _patterns(part)))
        if "maxLength" in part:
            lengths.add((part.get("minLength"), part["maxLength"]))
        if isinstance(minimum := part.get("minLength"), int):
            minimums.add(minimum)
    total += _lengths_cost([most for _, most in lengths]) + sum(map(pattern_cost, patterns))
    return total + _PER_MINIMUM * sum(min(minimum, _MOST_MINIMUM) for minimum in minimums)


def _lengths_cost(lengths: Sequence[object]) -> float:
    short = [length for length in lengths if isinstance(length, int) and length <= _LONG]
    long = len(lengths) - len(short)
    total = _SHORT * len(short) + _PER_LENGTH * max(short, default=0)
    return total if long == 0 else total + _FIRST_LONG + _NEXT_LONG * long


def _part_cost(part: Schema) -> float:
    """What a part adds by itself: its numbers, arrays, formats, texts, and properties that may be left out."""
    total = _CHARACTER * sum(map(len, _texts(part)))
    total += _NUMBER * sum(key in part for key in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"))
    total += _ARRAY * sum(key in part for key in ("minItems", "maxItems", "minProperties", "maxProperties"))
    if "format" in part:
        total += _URI_TEMPLATE if part["format"] == "uri-template" else _FORMAT
    properties, required = part.get("properties"), part.get("required")
    if isinstance(properties, dict):
        optional = len(properties) - (len(required) if isinstance(required, list) else 0)
        total += _OPTIONAL * max(0, optional) ** 2
    return total


def _patterns(part: Schema) -> Iterator[object]:
    if "pattern" in part:
        yield part["pattern"]
    if isinstance(named := part.get("patternProperties"), dict):
        yield from named


def _texts(part: Schema) -> Iterator[str]:
    """What the grammar spells out: names of properties, and values that are given."""
    if isinstance(named := part.get("properties"), dict):
        yield from named
    values = part.get("enum")
    for value in [*(values if isinstance(values, list) else ()), part.get("const")]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict | list):
            yield str(value)
