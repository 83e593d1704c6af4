"""What vLLM's grammar compiler (xgrammar) does not take of JSON Schema; vLLM 0.32 refuses requests with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from postil.registry.errors import GrammarError

_FORMATS = frozenset(
    {
        "email",
        "date",
        "time",
        "date-time",
        "duration",
        "ipv4",
        "ipv6",
        "hostname",
        "uuid",
        "uri",
        "uri-reference",
        "uri-template",
        "json-pointer",
        "relative-json-pointer",
    }
)
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_RANGES = (("minLength", "maxLength"), ("minItems", "maxItems"), ("minProperties", "maxProperties"))
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
# No count beyond it means anything for an answer, and larger ones overflow.
_LARGEST = 1_000_000
# Of numbers that bound others: beyond it xgrammar overflows, or spells out hundreds of digits.
_LARGEST_NUMBER = 10**18
# The type that each keyword has; what is none of these is held to its bounds below.
_TYPES: Mapping[str, tuple[type, str]] = {
    **dict.fromkeys(("anyOf", "oneOf", "allOf", "prefixItems", "enum", "required"), (list, "a list")),
    **dict.fromkeys(("properties", "patternProperties", "$defs", "definitions"), (dict, "an object")),
    **dict.fromkeys(("format", "pattern"), (str, "a string")),
}
Schema = Mapping[str, Any]


def check_supported(part: Schema) -> None:
    """Refuse a part of a schema that cannot be compiled. Raises GrammarError."""
    fault = _mistyped(part) or _impossible(part) or _unsupported(part)
    if fault is not None:
        raise GrammarError(f"the schema cannot constrain answers: {fault}")


def _mistyped(part: Schema) -> str | None:
    for name, (kind, called) in _TYPES.items():
        if name in part and not isinstance(part[name], kind):
            return f"{name} has to be {called}"
    if not all(isinstance(name, str) for name in part.get("required", ())):
        return "required has to be a list of names"
    return None


def _impossible(part: Schema) -> str | None:
    for name in _COUNTS:
        value = part.get(name, 0)
        if type(value) is not int or not 0 <= value <= _LARGEST:
            return f"{name} has to be a whole number from 0 to {_LARGEST}"
    for least, most in _RANGES:
        if most in part and part.get(least, 0) > part[most]:
            return f"{least} is more than {most}"
    for name in _NUMBERS:
        if name in part and not _is_bound(part[name]):
            return f"{name} has to be a number from -{_LARGEST_NUMBER} to {_LARGEST_NUMBER}"
    lowest = max((part[name] for name in ("minimum", "exclusiveMinimum") if name in part), default=float("-inf"))
    highest = min((part[name] for name in ("maximum", "exclusiveMaximum") if name in part), default=float("inf"))
    return "minimum is more than maximum" if lowest > highest else None


def _is_bound(value: object) -> bool:
    """Whether it can bound numbers. It is no number that is not one, and none that is endless."""
    return isinstance(value, int | float) and type(value) is not bool and -_LARGEST_NUMBER <= value <= _LARGEST_NUMBER


def _unsupported(part: Schema) -> str | None:
    kinds = part.get("type")
    kinds = {kind for kind in (kinds if isinstance(kinds, list) else [kinds]) if isinstance(kind, str)}
    if len(part.get("allOf", ())) > 1:
        return "allOf with several schemas is not supported"
    if kinds & {"integer", "number"} and "multipleOf" in part:
        return "multipleOf is not supported"
    lists = ("uniqueItems", "contains", "minContains", "maxContains") if "array" in kinds else ()
    if named := [name for name in lists if name in part]:
        return f"{named[0]} is not supported"
    if "string" in kinds and (fault := _unsupported_text(part)):
        return fault
    return _unsupported_names(part) if "object" in kinds else None


def _unsupported_text(part: Schema) -> str | None:
    if "format" in part and part["format"] not in _FORMATS:
        return f"format {str(part['format'])[:40]!r} is not supported"
    if _has_pattern_and_length(part):
        return "pattern or format together with minLength or maxLength is not supported"
    return None


def _unsupported_names(part: Schema) -> str | None:
    names, patterns = part.get("propertyNames"), part.get("patternProperties")
    if "propertyNames" in part:
        if isinstance(names, dict) and _has_pattern_and_length(names):
            return "propertyNames with a pattern and a length is not supported"
        for other in ("patternProperties", "properties"):
            if other in part:
                return f"propertyNames together with {other} is not supported"
        if part.get("unevaluatedProperties", True) is not True:
            return "propertyNames together with unevaluatedProperties is not supported"
    if isinstance(patterns, dict) and ("properties" in part or len(patterns) > 1):
        return "patternProperties together with properties, or with several patterns, is not supported"
    return None


def _has_pattern_and_length(part: Schema) -> bool:
    return ("pattern" in part or "format" in part) and ("minLength" in part or "maxLength" in part)
