"""How postil lets a text out behind one validator's window, in short: to compare one way of cutting with another.

What has to be held back, and what a verdict marks, is as in the gateway; what it does about a mark is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from postil.plugins.types import Completion, Verdict

Judge = Callable[[Completion], Verdict]


@dataclass(frozen=True, slots=True)
class Left:
    """What became of a text: what leaves before the first character that fails, and the places of all that fail.

    The place after the last character is the text's end.
    """

    text: str
    marked: frozenset[int]


def let_out(judge: Judge, size: int, pieces: Sequence[str]) -> Left:
    """Let a text out that arrives in these pieces, judged with a window of ``size`` characters as it comes in."""
    text, judged, marked = "", 0, set[int]()
    for last, piece in _with_last(pieces):
        text += piece
        held = max(0, judged - size + 1)
        if not last and len(text) - held < size:
            continue
        marked |= _failing(judge, size, _Tape(text, last, held), judged, len(text) + last)
        judged = len(text)
    return Left(text[: min(marked, default=len(text))], frozenset(marked))


@dataclass(frozen=True, slots=True)
class _Tape:
    """A text as far as it has come in; what stands before ``held`` has been let go."""

    text: str
    ends: bool
    held: int

    def part(self, start: int, end: int) -> Completion:
        ends = self.ends and end > len(self.text)
        start = max(start, self.held)
        return Completion(self.text[start:end], "stop" if ends else None, offset=start, ends=ends)


def _failing(judge: Judge, size: int, tape: _Tape, first: int, last: int) -> set[int]:
    """The places that fail in the windows that end after ``first``, up to ``last``: all are asked about at once."""
    part = tape.part(first + 1 - size, last)
    verdict = judge(part)
    if verdict.ok:
        return set()
    if last - first > 1:
        middle = (first + last) // 2
        return _failing(judge, size, tape, first, middle) | _failing(judge, size, tape, middle, last)
    spans = [(span.start, span.end) for span in verdict.spans] or [(0, max(1, len(part.text)))]
    return {part.offset + place for start, end in spans for place in range(start, end)}


def _with_last(pieces: Sequence[str]) -> Iterator[tuple[bool, str]]:
    for piece in pieces:
        yield False, piece
    yield True, ""
