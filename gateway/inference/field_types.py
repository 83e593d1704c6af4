"""The types and bounds of request fields. Strict: a bool is no number, and an integer fits into 64 bits.

Each is told in words, as a check, and as a JSON Schema for the OpenAPI document.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

Schema = Mapping[str, Any]
LARGEST_INT32 = 2**31 - 1
SMALLEST_INT64, LARGEST_INT64 = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class FieldType:
    """What a value has to be: in words, as a check that never raises, and as a JSON Schema.

    A schema may let pass what the check does not, never the other way round.
    """

    words: str
    fits: Callable[[Any], bool]
    schema: Schema = field(default_factory=dict, repr=False)


ANYTHING = FieldType("anything", lambda value: True)
BOOLEAN = FieldType("true or false", lambda value: value is True or value is False, {"type": "boolean"})
OBJECT = FieldType("an object", lambda value: type(value) is dict, {"type": "object"})
LIST = FieldType("a list", lambda value: type(value) is list, {"type": "array"})


def whole(least: int, most: int) -> FieldType:
    """A whole number."""
    return FieldType(
        f"a whole number from {_bound_in_words(least)} to {_bound_in_words(most)}",
        lambda value: type(value) is int and least <= value <= most,
        {"type": "integer", "minimum": least, "maximum": most},
    )


def number(least: float, most: float, *, above: bool = False) -> FieldType:
    """A number; ``above``: more than ``least``."""

    def fits(value: Any) -> bool:
        kind = type(value)
        return (kind is float or kind is int) and (least < value if above else least <= value) and value <= most

    words = f"a number {'above' if above else 'from'} {least:g} {'and up ' if above else ''}to {most:g}"
    lower = "exclusiveMinimum" if above else "minimum"
    return FieldType(words, fits, {"type": "number", lower: least, "maximum": most})


def text(most: int, least: int = 0) -> FieldType:
    """A string, by its characters."""
    return FieldType(
        f"a string of {least} to {most} characters" if least else f"a string of at most {most} characters",
        lambda value: type(value) is str and least <= len(value) <= most,
        {"type": "string", "minLength": least, "maxLength": most},
    )


def one_of(*names: str) -> FieldType:
    """One of some strings."""
    known = frozenset(names)
    schema = {"type": "string", "enum": list(names)}
    return FieldType(f"one of {', '.join(names)}", lambda value: type(value) is str and value in known, schema)


def many(each: FieldType, most: int, least: int = 0) -> FieldType:
    """A list of values of one type."""
    fits = each.fits
    return FieldType(
        f"a list of {f'{least} to' if least else 'at most'} {most}, each {each.words}",
        lambda value: type(value) is list and least <= len(value) <= most and all(map(fits, value)),
        {"type": "array", "minItems": least, "maxItems": most, "items": each.schema},
    )


def many_whole(least: int, most: int, longest: int, shortest: int = 0) -> FieldType:
    """A list of whole numbers, which may be long: each is looked at by what is written in C."""

    def fits(value: Any) -> bool:
        if type(value) is not list or not shortest <= len(value) <= longest:
            return False
        return not value or (set(map(type, value)) == {int} and least <= min(value) and max(value) <= most)

    alike = many(whole(least, most), longest, shortest)
    return FieldType(alike.words, fits, alike.schema)


def either(*types: FieldType) -> FieldType:
    """A value of one of several types."""
    schema = {"anyOf": [each.schema for each in types]}
    words = " or ".join(each.words for each in types)
    return FieldType(words, lambda value: any(each.fits(value) for each in types), schema)


def mapping(each: FieldType, most: int, keys: FieldType) -> FieldType:
    """An object whose keys are names of a type, and whose values are of one type."""
    return FieldType(
        f"an object of at most {most} keys, each {keys.words}, with {each.words}",
        lambda value: (
            type(value) is dict
            and len(value) <= most
            and all(map(keys.fits, value))
            and all(map(each.fits, value.values()))
        ),
        {
            "type": "object",
            "maxProperties": most,
            "propertyNames": keys.schema,
            "additionalProperties": each.schema,
        },
    )


def record(fields: Mapping[str, FieldType], required: Collection[str] = ()) -> FieldType:
    """An object that has these fields and no others; null is as good as left out."""

    def fits(value: Any) -> bool:
        if type(value) is not dict or not all(value.get(name) is not None for name in required):
            return False
        return all(name in fields and (inner is None or fields[name].fits(inner)) for name, inner in value.items())

    names = ", ".join(f"`{name}`: {each.words}" for name, each in fields.items())
    needed = {name: fields[name].schema if name in required else or_null(fields[name].schema) for name in fields}
    schema = {"type": "object", "properties": needed, "required": list(required), "additionalProperties": False}
    return FieldType(f"an object with {names}", fits, schema)


def or_null(schema: Schema) -> Schema:
    """The schema for a field that is as good as left out where it is null."""
    if type(kind := schema.get("type")) is str and "enum" not in schema:
        return {**schema, "type": [kind, "null"]}
    return {"anyOf": [schema, {"type": "null"}]} if schema else schema


def token_id_key() -> FieldType:
    """A token's id as a key: digits."""
    return FieldType(
        "a token id",
        lambda key: key.isascii() and key.isdecimal() and len(key) <= 10 and int(key) <= LARGEST_INT32,
        {"type": "string", "pattern": "^[0-9]{1,10}$"},
    )


SCALAR = FieldType(
    "a string, number or boolean",
    lambda value: (
        (type(value) is str and len(value) <= 4096)
        or value is True
        or value is False
        or (type(value) is int and SMALLEST_INT64 <= value <= LARGEST_INT64)
        or (type(value) is float and math.isfinite(value))
    ),
    {
        "anyOf": [
            {"type": "string", "maxLength": 4096},
            {"type": "boolean"},
            {"type": "number"},
        ]
    },
)


def _bound_in_words(value: int) -> str:
    """A bound as people write it."""
    powers = {LARGEST_INT32: "2^31 - 1", LARGEST_INT64: "2^63 - 1", SMALLEST_INT64: "-2^63"}
    return powers.get(value, f"{value}")
