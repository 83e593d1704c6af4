"""Reads and displays untrusted values, and refuses them in one sentence."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Sequence
from typing import Any, NoReturn

from postil.registry.errors import PreflightError

_SHOWN = 120


def refuse(found: str, allowed: str, remedy: str) -> NoReturn:
    """Raise PreflightError with what was found, what is allowed, and what to do."""
    raise PreflightError(f"{found}, and {allowed}; {remedy}")


def read_json(data: bytes) -> Any:
    """Parse UTF-8 JSON without duplicate keys, on which parsers disagree. Raises ValueError."""
    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=_once)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def shown(value: object) -> str:
    """Return a value as a short single line of printable text."""
    brief = reprlib.Repr()
    brief.maxstring = brief.maxother = brief.maxlong = _SHOWN
    return brief.repr(value)


def named(name: str) -> str:
    """Return a name unchanged if it is one short printable line, else like ``shown``."""
    return name if name.isprintable() and 0 < len(name) <= _SHOWN else shown(name)


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{shown(key)} occurs twice")
        found[key] = value
    return found
