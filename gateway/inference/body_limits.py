"""Bounds the depth and length of a JSON body: cheap for ordinary ones, exact for others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from postil.gateway.errors import BadRequestError

DEEPEST = 64
MOST_MESSAGES = 2048
MOST_PARTS = 32768
MOST_BRACKETS = 8 * MOST_PARTS
_LISTS = ("messages", "prompt", "tools", "stop")


def brackets(raw: bytes) -> int:
    """How many brackets open, those in texts too. Raises BadRequestError where reading them would take too long."""
    opened = raw.count(b"{") + raw.count(b"[")
    if opened > MOST_BRACKETS:
        raise BadRequestError(f"the body has more than {MOST_BRACKETS} brackets; send fewer")
    return opened


def check(body: Mapping[str, Any], opened: int) -> None:
    """Refuse a body that is nested too deep or has too much in it. Raises BadRequestError.

    Each part begins with a bracket: where few are ``opened``, even in texts, nothing can be deep.
    """
    if opened > DEEPEST:
        _walk(body)
    for name in _LISTS:
        value = body.get(name)
        if type(value) is list and len(value) > MOST_MESSAGES and not _token_ids(value):
            raise BadRequestError(f"{name} has more than {MOST_MESSAGES} entries; send fewer", param=name)


def _token_ids(value: list[Any]) -> bool:
    """A prompt may be a list of numbers, as long as the engine takes it."""
    return type(value[0]) is int and type(value[-1]) is int


def _walk(body: Mapping[str, Any]) -> None:
    """Level by level, so that no depth is too much for this itself."""
    level: list[Any] = [body]
    seen = 0
    for _ in range(DEEPEST):
        level = [
            child
            for part in level
            for child in (part.values() if type(part) is dict else part)
            if type(child) is dict or type(child) is list
        ]
        seen += len(level)
        if seen > MOST_PARTS:
            raise BadRequestError(f"the body has more than {MOST_PARTS} objects and lists; send fewer")
        if not level:
            return
    raise BadRequestError(f"the body exceeds {DEEPEST} levels of JSON nesting; send less nesting")
