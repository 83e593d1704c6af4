"""Which checks an answer failed, and where in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_PASSED = "passed"


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text, and whether a check failed there."""

    text: str
    failed: bool


def failed(verdicts: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the verdicts that did not pass."""
    return [verdict for verdict in verdicts if verdict.get("outcome") != _PASSED]


def marked(text: str, verdicts: Sequence[Mapping[str, Any]]) -> list[Piece]:
    """Return a text in pieces, with those that failing verdicts point at marked."""
    inside = [False] * len(text)
    for start, end in _spans(verdicts, len(text)):
        inside[start:end] = [True] * (end - start)
    pieces, begin = [], 0
    for place in range(1, len(text) + 1):
        if place == len(text) or inside[place] != inside[begin]:
            pieces.append(Piece(text[begin:place], inside[begin]))
            begin = place
    return pieces


def _spans(verdicts: Sequence[Mapping[str, Any]], length: int) -> Iterator[tuple[int, int]]:
    for verdict in verdicts:
        for span in verdict.get("spans") or ():
            start, end = span.get("start"), span.get("end")
            if isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= length:
                yield start, end
