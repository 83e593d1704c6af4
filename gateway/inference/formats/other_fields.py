"""Which fields a request of another API may have: a table for each, and the check that it drives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from postil.gateway.inference.field_refusals import missing_field, unknown_field, unsupported_field, wrong_type
from postil.gateway.inference.field_types import FieldType


class Handling(StrEnum):
    """What is done with a field."""

    HONOURED = "honoured"
    IGNORED = "ignored"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class OtherField:
    """A field: its type, what is done with it, why, and which values are as good as none.

    The note of a refused field ends the sentence that refuses it. ``in_chat``: a chat has a field of this name and
    meaning, which it becomes as it is.
    """

    type: FieldType
    handling: Handling
    note: str = ""
    neutral: Sequence[Any] = ()
    in_chat: bool = False


def check_other_fields(
    path: str, fields: Mapping[str, OtherField], required: Sequence[str], body: Mapping[str, Any]
) -> dict[str, Any]:
    """The fields of a body that are honoured, each of the right type; null is as good as left out.

    Raises BadRequestError.
    """
    given = {}
    for name, value in body.items():
        if name not in fields:
            raise unknown_field(path, name, _offered(fields))
        if value is not None:
            _check(name, fields[name], value)
            given[name] = value
    for name in required:
        if name not in given:
            raise missing_field(name)
    return {name: value for name, value in given.items() if fields[name].handling is Handling.HONOURED}


def fields_in_chat(fields: Mapping[str, OtherField], asked: Mapping[str, Any]) -> dict[str, Any]:
    """The checked fields that a chat has as they are."""
    return {name: asked[name] for name, field in fields.items() if field.in_chat and name in asked}


def _check(name: str, field: OtherField, value: Any) -> None:
    if field.handling is Handling.REFUSED:
        if value not in field.neutral:
            raise unsupported_field(name, field.note)
    elif not field.type.fits(value):
        raise wrong_type(name, field.type.words)


def _offered(fields: Mapping[str, OtherField]) -> Iterator[str]:
    return (name for name, field in fields.items() if field.handling is not Handling.REFUSED)
