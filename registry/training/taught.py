"""What a row teaches: which of its text is trained. Shown before the first step; rows without any are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from postil.registry.errors import DatasetError

# Rows that are shown, and lines that a refusal names.
SHOWN, _NAMED = 3, 10


@dataclass(frozen=True, slots=True)
class Taught:
    """A row's text in pieces, each with whether it is trained."""

    line: int
    pieces: tuple[tuple[str, bool], ...]


def taught(line: int, ids: Sequence[int], trained: Sequence[bool], decode: Callable[[list[int]], str]) -> Taught:
    """Return a row as text; ``trained`` says of each token whether it counts in the loss."""
    runs = groupby(zip(ids, trained, strict=True), key=lambda token: token[1])
    return Taught(line, tuple((decode([token for token, _ in run]), whether) for whether, run in runs))


def check_taught(path: Path, rows: Iterable[tuple[int, Sequence[bool]]]) -> None:
    """Check that each row, a line and its ``trained``, has a token that is trained. Raises DatasetError."""
    if lines := [line for line, trained in rows if not any(trained)]:
        raise DatasetError(
            f"{path}, {named_lines(lines)}: nothing would be trained, as the answer has no token;"
            " write one or delete the line"
        )


def named_lines(lines: Sequence[int]) -> str:
    """Return ``line 3`` or ``lines 3, 7 and 12``, the first of them where there are many."""
    if len(lines) == 1:
        return f"line {lines[0]}"
    shown = [str(line) for line in lines[:_NAMED]]
    if len(lines) > _NAMED:
        return f"lines {', '.join(shown)} and {len(lines) - _NAMED:,} more"
    return f"lines {', '.join(shown[:-1])} and {shown[-1]}"
