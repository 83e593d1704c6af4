"""``json_schema``: the answer is JSON that fits a JSON Schema (2020-12, or the draft that its ``$schema`` names).

Formats are checked, ``pattern`` is RE2's (linear in time, no look-around), a ``$ref`` is never fetched: what it points
to stands in the schema. What may be said of a misfit is where it is and which rule it breaks, not what the answer said.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Annotated, Any
from urllib.parse import urlsplit

import re2
from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.validators import extend, validator_for
from pydantic import Field, JsonValue
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012, EMPTY_REGISTRY

from postil.plugins.contract import Config, Validator
from postil.plugins.errors import ConfigError
from postil.plugins.hookspecs import hookimpl
from postil.plugins.schemas import EndlessError, Follow, all_schemas, comparisons
from postil.plugins.types import Completion, RequestContext, Verdict

# A schema as JSON, and how many parts of it one value of the answer may be compared with.
_MOST_CHARACTERS, _MOST_COMPARISONS = 262_144, 10_000


class JsonSchemaConfig(Config):
    """``json_schema``: the policy's ``output.json_schema``, unless it is said here.

    ``max_characters`` and ``max_depth`` bound what is looked at: an answer beyond them fails.
    """

    json_schema: dict[str, JsonValue] | None = None
    max_characters: Annotated[int, Field(ge=1, le=1_000_000)] = 65_536
    max_depth: Annotated[int, Field(ge=1, le=200)] = 64


class JsonSchema(Validator):
    """Passes JSON that fits the schema; a key that stands twice, NaN and infinity are no JSON."""

    name = "json_schema"
    Config = JsonSchemaConfig
    blocking = True

    def __init__(self, config: JsonSchemaConfig) -> None:
        super().__init__(config)
        if config.json_schema is None:
            raise ConfigError("json_schema: it has no schema; give `json_schema` here, or to the policy's output")
        self._schema = _checker(config.json_schema)

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        """Fail with the place in the answer, as a path such as ``$.items[0].age``."""
        if len(completion.text) > self.config.max_characters:
            return Verdict.failed(f"the answer has more than {self.config.max_characters} characters")
        try:
            answer = json.loads(
                completion.text, object_pairs_hook=_once, parse_constant=_no_number, parse_float=_finite
            )
        except RecursionError:
            return Verdict.failed(f"the answer is nested deeper than {self.config.max_depth}")
        except ValueError as error:
            return Verdict.failed(f"the answer is not JSON{_where(error)}")
        if _depth_over(answer, self.config.max_depth):
            return Verdict.failed(f"the answer is nested deeper than {self.config.max_depth}")
        wrong = next(self._schema.iter_errors(answer), None)  # The first: to look for all can take very long.
        return Verdict.passed() if wrong is None else Verdict.failed(_said(wrong))


def _checker(schema: Mapping[str, Any]) -> Any:
    """A validator for one schema. Raises ConfigError."""
    if len(json.dumps(schema)) > _MOST_CHARACTERS:
        raise ConfigError(f"json_schema: it has more than {_MOST_CHARACTERS} characters; make it smaller")
    kind = validator_for(schema, default=Draft202012Validator)
    wrong = next(kind(kind.META_SCHEMA).iter_errors(schema), None)
    if wrong is not None:
        raise ConfigError(f"json_schema: it is no JSON Schema at {wrong.json_path}: {wrong.message[:200]}")
    resource = Resource.from_contents(schema, default_specification=DRAFT202012)
    registry: Registry[Any] = EMPTY_REGISTRY.with_resource("", resource).crawl()
    follow = partial(_followed, registry.resolver_with_root(resource))
    for part in all_schemas(schema, follow):
        _refuse_impossible(part)
    _refuse_endless(schema, follow)
    return extend(kind, _BOUNDED)(schema, registry=registry, format_checker=_formats())


def _followed(resolver: Any, reference: str) -> Any:
    """What a reference leads to. Raises ConfigError where that is nothing in the schema."""
    try:
        return resolver.lookup(reference).contents
    except Unresolvable:
        raise ConfigError(
            f"json_schema: $ref {reference!r} leads to nothing in the schema, and none is fetched; put it in $defs"
        ) from None


def _refuse_impossible(schema: Mapping[str, Any]) -> None:
    """A pattern is one that RE2 takes."""
    if isinstance(schema.get("pattern"), str):
        _compile(schema["pattern"])
    patterns = schema.get("patternProperties")
    for pattern in patterns if isinstance(patterns, dict) else ():
        _compile(pattern)
    if "unevaluatedProperties" in schema:
        raise ConfigError("json_schema: unevaluatedProperties is not taken; say additionalProperties")


def _refuse_endless(schema: Mapping[str, Any], follow: Follow) -> None:
    """No value is compared with the schema, or its parts, for ever."""
    try:
        known: dict[int, int] = {}
        found = max(comparisons(part, follow, known) for part in all_schemas(schema, follow))
    except (EndlessError, RecursionError):
        raise ConfigError("json_schema: it refers to itself without end; let the $ref stand for a part of it") from None
    if found > _MOST_COMPARISONS:
        raise ConfigError(
            f"json_schema: its alternatives make more than {_MOST_COMPARISONS} comparisons for one value; have fewer"
            " of them in each other"
        )


def _compile(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error:
        raise ConfigError(
            f"json_schema: {pattern!r} is no pattern of RE2; write it without look-around and back-references"
        ) from None


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _compile(pattern).search(_readable(instance)):
        yield ValidationError("it does not match")


def _pattern_properties(validator: Any, patterns: Mapping[str, Any], instance: Any, schema: Any) -> Iterator[Any]:
    for pattern, inner in patterns.items():
        for key in _keys(instance):
            if _compile(pattern).search(_readable(key)):
                yield from validator.descend(instance[key], inner, path=key, schema_path=pattern)


def _additional_properties(validator: Any, rule: Any, instance: Any, schema: Any) -> Iterator[Any]:
    patterns = [_compile(pattern) for pattern in schema.get("patternProperties", ())]
    for key in _keys(instance):
        if key in schema.get("properties", ()) or any(pattern.search(_readable(key)) for pattern in patterns):
            continue
        if rule is False:
            yield ValidationError("a key that the schema does not know")
        else:
            yield from validator.descend(instance[key], rule, path=key)


def _any_of(validator: Any, schemas: Sequence[Any], instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not any(validator.evolve(schema=one).is_valid(instance) for one in schemas):
        yield ValidationError("it is none of them")


def _one_of(validator: Any, schemas: Sequence[Any], instance: Any, schema: Any) -> Iterator[ValidationError]:
    fitting = (one for one in schemas if validator.evolve(schema=one).is_valid(instance))
    if len(list(islice(fitting, 2))) != 1:
        yield ValidationError("it is none or several of them")


def _unique_items(validator: Any, unique: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if unique and isinstance(instance, list) and len({_canonical(one) for one in instance}) < len(instance):
        yield ValidationError("two of them are alike")


def _canonical(value: Any) -> str:
    """A text that is the same for values that are: 1 and 1.0 are, and objects whatever the order of their keys."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_canonical(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_canonical, value)) + "]"
    return json.dumps(value)


def _keys(instance: Any) -> Sequence[str]:
    return list(instance) if isinstance(instance, dict) else ()


# Python's own patterns can take years over a text, and jsonschema has them in the first three of these rules. In the
# others it keeps all that is wrong with each alternative, and compares each with each.
_BOUNDED = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "uniqueItems": _unique_items,
}


def _readable(text: str) -> str:
    return text.encode(errors="replace").decode()


def _formats() -> FormatChecker:
    """jsonschema's own formats, and some that it leaves to other packages."""
    formats = FormatChecker()
    formats.checks("date-time", ValueError)(_is_date_time)
    formats.checks("time", ValueError)(lambda value: not isinstance(value, str) or _is_date_time(f"1970-01-01T{value}"))
    formats.checks("uri", ValueError)(_is_uri)
    return formats


def _is_date_time(value: object) -> bool:
    """RFC 3339: a date, a T, a time, and the difference to UTC."""
    if not isinstance(value, str):
        return True
    marks = value[4:5] + value[7:8] + value[10:11].upper() + value[13:14]
    return marks == "--T:" and datetime.fromisoformat(value.upper()).tzinfo is not None


def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or (
        value.isascii() and value.isprintable() and not set(' "<>\\^`{|}') & set(value) and bool(urlsplit(value).scheme)
    )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    answer = dict(pairs)
    if len(answer) != len(pairs):
        raise ValueError("a key stands twice")
    return answer


def _no_number(text: str) -> float:
    raise ValueError("NaN is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("the number is too large")
    return value


def _where(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f" (line {error.lineno}, column {error.colno})"
    return ": a key stands twice" if str(error) == "a key stands twice" else ""


def _depth_over(value: object, depth: int) -> bool:
    """Whether lists and objects are nested deeper; as deep as that, it is never looked into."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return depth == 0 or any(_depth_over(one, depth - 1) for one in inner)


def _said(error: ValidationError) -> str:
    """Where and which rule, with the schema's words; the answer's own stay out of it."""
    path = error.json_path if len(error.json_path) <= 100 else error.json_path[:97] + "..."
    rule = json.dumps(error.validator_value, ensure_ascii=False, default=str)
    return f"at {path}: `{error.validator}: {rule if len(rule) <= 100 else rule[:97] + '...'}` does not hold"


@hookimpl
def postil_validators() -> Sequence[type[Validator]]:
    """Offer ``json_schema``."""
    return [JsonSchema]
