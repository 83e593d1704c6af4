"""Which fields a request of another API may have: a table for each, and the check that it drives."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from postil.gateway.errors import BadRequestError
from postil.gateway.inference.field_types import FieldType

_NAMED = 64


class Handling(StrEnum):
    """What is done with a field."""

    HONOURED = "honoured"
    IGNORED = "ignored"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class OtherField:
    """A field: its type, what is done with it, why, and which values are as good as none.

    The note of a refused field ends the sentence that refuses it.
    """

    type: FieldType
    handling: Handling
    note: str = ""
    neutral: Sequence[Any] = ()


def check_other_fields(
    path: str, fields: Mapping[str, OtherField], required: Sequence[str], body: Mapping[str, Any]
) -> dict[str, Any]:
    """The fields of a body that are honoured, each of the right type; null is as good as left out.

    Raises BadRequestError.
    """
    given = {}
    for name, value in body.items():
        if name not in fields:
            raise _unknown(path, fields, name)
        if value is not None:
            _check(name, fields[name], value)
            given[name] = value
    for name in required:
        if name not in given:
            raise BadRequestError(f"{name} is required", param=name)
    return {name: value for name, value in given.items() if fields[name].handling is Handling.HONOURED}


def _check(name: str, field: OtherField, value: Any) -> None:
    if field.handling is Handling.REFUSED:
        if value not in field.neutral:
            raise BadRequestError(f"`{name}` is not taken here; {field.note}", param=name)
    elif not field.type.fits(value):
        raise BadRequestError(f"{name} has to be {field.type.words}", param=name)


def _unknown(path: str, fields: Mapping[str, OtherField], name: str) -> BadRequestError:
    shown = name[:_NAMED]
    offered = [known for known, field in fields.items() if field.handling is not Handling.REFUSED]
    close = next(iter(difflib.get_close_matches(shown, offered, 1)), None)
    advice = f"did you mean `{close}`?" if close else "leave it out"
    return BadRequestError(f"{shown!r} is not a field of {path}; {advice}", param=shown)
