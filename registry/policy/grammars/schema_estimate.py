"""Estimates how long a JSON schema keeps vLLM busy: milliseconds of one CPU core, fitted to xgrammar 0.2.8.

How they were measured is in ``deploy/decisions/0022-cost-before-it-is-spent.md``. The parts passed
``support.check_supported`` before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from postil.registry.errors import GrammarError
from postil.registry.policy.grammars.estimate import Estimate, total, written
from postil.registry.policy.grammars.patterns import pattern_estimate

Schema = Mapping[str, Any]

# Strings with a bound up to here share most of their states; each longer one takes about as long as any other.
_LONG = 128
_FIRST_LONG, _NEXT_LONG, _SHORT, _PER_LENGTH = 1250.0, 650.0, 45.0, 10.0
_MINIMUM, _PER_MINIMUM, _MOST_MINIMUM = 30.0, 6.0, 120
_PART, _NUMBER, _ARRAY, _FORMAT, _URI_TEMPLATE, _CHARACTER = 1.0, 3.0, 5.0, 15.0, 60.0, 0.05
# Each property that may be left out; and each sign of names, where others than these may follow.
_OPTIONAL, _SIGN_OF_NAMES, _FEW_SIGNS = 0.0035, 8.5, 2000
# Where properties are counted, each place among them has a state for each count.
_COUNTED, _MOST_OPTIONAL_COUNTED = 1.5, 20
_FRONT_PART, _FRONT_ARRAY, _FRONT_FORMAT, _FRONT_CHARACTER = 0.02, 0.03, 0.3, 0.001
_FRONT_NUMBER, _FRONT_DIGIT, _FRONT_FLOAT_DIGIT, _FRONT_COUNTED, _FRONT_OPTIONAL = 0.08, 0.006, 0.02, 0.0035, 0.02
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_COUNTS = ("minItems", "maxItems", "minProperties", "maxProperties")


def schema_estimate(parts: Sequence[Schema]) -> Estimate:
    """Return what a schema with these parts takes, roughly. Raises GrammarError for what nobody can tell."""
    each = total(estimate for part in parts for estimate in _of_part(part))
    patterns = [pattern_estimate(pattern) for part in parts for pattern in _patterns(part)]
    front = each.front + sum(estimate.front for estimate in patterns)
    # The same one again shares what was made for the first.
    compiling = each.compile + _lengths(parts) + sum(estimate.compile for estimate in set(patterns))
    return Estimate(compiling, front)


def _lengths(parts: Sequence[Schema]) -> float:
    """What the bounds of strings take to compile: the longest of the short ones has most states of all others."""
    lengths = [
        most for _, most in {(part.get("minLength"), part["maxLength"]) for part in parts if "maxLength" in part}
    ]
    short = [most for most in lengths if most <= _LONG]
    long = len(lengths) - len(short)
    compiling: float = _SHORT * len(short) + _PER_LENGTH * max(short, default=0)
    compiling += _FIRST_LONG + _NEXT_LONG * long if long else 0
    minimums: set[int] = {part["minLength"] for part in parts if part.get("minLength")}
    return compiling + sum(_MINIMUM + _PER_MINIMUM * min(least, _MOST_MINIMUM) for least in minimums)


def _of_part(part: Schema) -> Iterator[Estimate]:
    """What a part takes by itself: its numbers, arrays, formats, texts and properties."""
    yield Estimate(_PART, _FRONT_PART)
    characters = sum(map(_size, _texts(part)))
    yield Estimate(_CHARACTER * characters, _FRONT_CHARACTER * characters)
    yield from (_of_number(part[name]) for name in _BOUNDS if name in part)
    counts = sum(name in part for name in _COUNTS)
    yield Estimate(_ARRAY * counts, _FRONT_ARRAY * counts)
    if "format" in part:
        yield Estimate(_URI_TEMPLATE if part["format"] == "uri-template" else _FORMAT, _FRONT_FORMAT)
    if "properties" in part:
        yield from _of_properties(part)


def _of_number(bound: float) -> Estimate:
    """Of a bound of numbers every digit takes some time, and of one with a point much more."""
    if isinstance(bound, int):
        return Estimate(_NUMBER, _FRONT_NUMBER + _FRONT_DIGIT * len(str(bound)))
    return Estimate(_NUMBER, _FRONT_NUMBER + _FRONT_FLOAT_DIGIT * max(len(str(bound)), len(f"{bound:.0f}")))


def _of_properties(part: Schema) -> Iterator[Estimate]:
    """What properties take beside their own schemas. Raises GrammarError where many of them are counted."""
    names = part["properties"]
    optional = len(names.keys() - set(part.get("required", ())))
    yield Estimate(_OPTIONAL * optional**2, _FRONT_OPTIONAL * optional)
    if any(part.get(name, False) is not False for name in ("additionalProperties", "unevaluatedProperties")):
        yield Estimate(_SIGN_OF_NAMES * _signs(names))
    if "minProperties" in part or "maxProperties" in part:
        if optional > _MOST_OPTIONAL_COUNTED:
            raise GrammarError(
                f"minProperties and maxProperties are allowed beside {_MOST_OPTIONAL_COUNTED} optional properties at"
                f" most, and there are {optional}; leave the two out, or name more properties under required"
            )
        states = len(names) * (optional + 1)
        yield Estimate(_COUNTED * states, _FRONT_COUNTED * states)


def _signs(names: Mapping[str, Any]) -> int:
    """The signs that tell names apart: what several begin with counts once, unless there are very many."""
    signs = sum(map(len, names))
    return signs if signs > _FEW_SIGNS else len({name[: end + 1] for name in names for end in range(len(name))})


def _patterns(part: Schema) -> Iterator[str]:
    if "pattern" in part:
        yield part["pattern"]
    yield from part.get("patternProperties", ())


def _texts(part: Schema) -> Iterator[Any]:
    """What the grammar spells out: names of properties, and values that are given."""
    yield from part.get("properties", ())
    yield from part.get("enum", ())
    if "const" in part:
        yield part["const"]


def _size(value: Any) -> int:
    """The bytes of a value, and some for each value within it; no depth is too much."""
    size = 0
    rest = [value]
    while rest:
        each = rest.pop()
        size += written(each) if isinstance(each, str) else 4
        if isinstance(each, dict):
            rest += [*each, *each.values()]
        elif isinstance(each, list):
            rest += each
    return size
