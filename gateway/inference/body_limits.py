"""Bounds what a JSON body has in it: cheap for ordinary ones, exact for others.

Texts are read fast, however long; what is outside of them can take a thousand times as long, and is counted first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from postil.gateway.errors import BadRequestError

DEEPEST = 64
MOST_MESSAGES = 2048
MOST_PARTS = 32768
MOST_BRACKETS = 8 * MOST_PARTS
# Token ids are values too: as many as a large context has, or several prompts of an ordinary one.
MOST_VALUES = 1 << 18
MOST_STRINGS = 1 << 17
MOST_KEYS = 1 << 16
# Numbers with an exponent can take a thousand times as long to read as others, and so do long ones.
MOST_EXPONENTS = 256
MOST_DIGITS = 64
MOST_OUTSIDE_MIB = 4
_LISTS = ("messages", "prompt", "tools", "stop")
# What a body of this size, or with so few brackets and commas, texts included, has in it is read at once.
_FEW_BYTES, _FEW = 1 << 16, 256
_DIGITS_TO_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_TOO_LONG = b"0" * (MOST_DIGITS + 1)


def brackets(raw: bytes) -> int:
    """How many brackets open at most. Raises BadRequestError where decoding the body would take too long."""
    opened = raw.count(b"{") + raw.count(b"[")
    if opened > MOST_BRACKETS:
        raise _too_many(MOST_BRACKETS, "brackets")
    if len(raw) <= _FEW_BYTES and opened + raw.count(b",") <= _FEW:
        return opened
    return _check_structure(outside_strings(raw))


def outside_strings(raw: bytes) -> bytes:
    """JSON without its strings, up to where it is JSON. Raises BadRequestError where there are too many."""
    if b"\\" in raw:
        raw = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    if raw.count(b'"') > 2 * MOST_STRINGS:
        raise _too_many(MOST_STRINGS, "strings")
    return b"".join(raw.split(b'"')[::2])


def _check_structure(outside: bytes) -> int:
    if len(outside) > MOST_OUTSIDE_MIB << 20:
        raise BadRequestError(f"the body has more than {MOST_OUTSIDE_MIB} MiB outside of its strings; send less")
    opened = outside.count(b"{") + outside.count(b"[")
    if opened > MOST_PARTS:
        raise _too_many(MOST_PARTS, "objects and lists")
    if opened + outside.count(b",") > MOST_VALUES:
        raise _too_many(MOST_VALUES, "values")
    if outside.count(b":") > MOST_KEYS:
        raise _too_many(MOST_KEYS, "keys")
    # ``true`` and ``false`` have one such letter each.
    exponents = outside.count(b"e") + outside.count(b"E") - outside.count(b"ue") - outside.count(b"se")
    if exponents > MOST_EXPONENTS:
        raise _too_many(MOST_EXPONENTS, "numbers with an exponent")
    if _TOO_LONG in outside.translate(_DIGITS_TO_ZEROS):
        raise BadRequestError(f"the body has a number of more than {MOST_DIGITS} digits; round it")
    return opened


def _too_many(most: int, things: str) -> BadRequestError:
    return BadRequestError(f"the body has more than {most} {things}; send fewer")


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
    for _ in range(DEEPEST):
        level = [
            child
            for part in level
            for child in (part.values() if type(part) is dict else part)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return
    raise BadRequestError(f"the body exceeds {DEEPEST} levels of JSON nesting; send less nesting")
