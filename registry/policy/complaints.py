"""What pydantic says of a policy, in one sentence for people."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from pydantic import BaseModel, ValidationError

_UNKNOWN = "extra_forbidden"
_SHOWN = 80
_WORD = 4


def first_complaint(error: ValidationError, model: type[BaseModel], parts: Mapping[str, type[BaseModel]]) -> str:
    """The first complaint and where it is; ``parts`` are the models of a policy's keys."""
    first = error.errors(include_url=False)[0]
    where = [str(part) for part in first["loc"]]
    if first["type"] == _UNKNOWN:
        *above, key = where
        owner = parts.get(above[0], model) if above else model
        place = f"{'.'.join(above)} has no key" if above else "there is no key"
        return f"{place} {key[:_SHOWN]!r}{did_you_mean(key, owner.model_fields)}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{'.'.join(where)}: {message}" if where else message


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about a name that is not known."""
    names = sorted(known)
    asked = name[:_SHOWN].lower()
    parts = [each for each in names if asked in each] if len(asked) >= _WORD else []
    near = difflib.get_close_matches(asked, names, 1) or parts
    return f"; did you mean {near[0]}?" if near else f"; known are {', '.join(names)}"
