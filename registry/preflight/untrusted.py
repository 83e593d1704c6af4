"""What comes from outside: read with suspicion, shown with care, and refused in one sentence."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Sequence
from typing import Any, NoReturn

from postil.registry.errors import PreflightError

_SHOWN = 120


def refuse(found: str, allowed: str, remedy: str) -> NoReturn:
    """Raise PreflightError: what was found, what is allowed, and what to do."""
    raise PreflightError(f"{found}, and {allowed}; {remedy}")


def read_json(data: bytes) -> Any:
    """JSON in UTF-8 in which no object has a key twice, for readers differ in which they take. Raises ValueError."""
    try:
        return json.loads(data.decode(), object_pairs_hook=_once)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def shown(value: object) -> str:
    """A value as a short piece of one line, with nothing in it that is no text."""
    brief = reprlib.Repr()
    brief.maxstring = brief.maxother = brief.maxlong = _SHOWN
    return brief.repr(value)


def named(name: str) -> str:
    """A name: as it is where it is one line of text and short, else as ``shown``."""
    return name if name.isprintable() and 0 < len(name) <= _SHOWN else shown(name)


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{shown(key)} stands there twice")
        found[key] = value
    return found
