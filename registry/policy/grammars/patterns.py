"""Estimates how long a regular expression takes to compile into a grammar.

What takes the compiler long are bounded repetitions: those of wide atoms (``.{1,50}``), several one after the other,
and one within another. The figures fit xgrammar 0.2.8, in milliseconds of one CPU core.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from postil.registry.errors import GrammarError

_BOUNDED = re.compile(r"\{(\d{1,6})(,(\d{0,6}))?\}")
_GROUP = re.compile(r"\((\?(:|=|!|>|<=|<!|P?<\w+>))?")
_WIDE_ESCAPES = frozenset("SWDpP")
_NARROW, _WIDE, _NESTED, _STAR, _LITERAL = 1.5, 14.0, 10.0, 1.5, 0.05


@dataclass(slots=True)
class _Part:
    """A sequence of atoms: how long it is written out, and how much of that is repeated. ``last`` is its last atom."""

    size: int = 0
    repeated: int = 0
    last: tuple[int, int] = (0, 0)

    def add(self, size: int, repeated: int) -> None:
        self.size += size
        self.repeated += repeated
        self.last = (size, repeated)

    def replace(self, size: int, repeated: int) -> None:
        """Replace the last atom; a second quantifier (a lazy one's ``?``) finds it as it was."""
        self.size += size - self.last[0]
        self.repeated += repeated - self.last[1]
        self.last = (size, repeated)


class _Scan:
    """One pass over a pattern. It need not be valid: xgrammar refuses what is not."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._open = [_Part()]
        self._groups = self._stars = 0
        self._wide = self._nested = False

    def cost(self) -> float:
        at = 0
        while at < len(self._pattern):
            at = self._step(at)
        while len(self._open) > 1:
            self._close()
        repeated = self._open[0].repeated * max(1, self._groups)
        weight = (_WIDE if self._wide else _NARROW) * (_NESTED if self._nested else 1)
        return repeated * weight + self._stars * _STAR + len(self._pattern) * _LITERAL

    def _step(self, at: int) -> int:
        """Read what stands at a place; returns the next place."""
        sign = self._pattern[at]
        if sign == "(":
            self._open.append(_Part())
            return at + len(_GROUP.match(self._pattern, at)[0])  # type: ignore[index]  # It begins with the sign.
        if sign == "[":
            return self._class(at)
        if sign in "?*+":
            self._repeat(1, bounded=sign == "?")
        elif sign == "{" and (found := _BOUNDED.match(self._pattern, at)):
            self._repeat(max(1, *(int(number) for number in found.group(1, 3) if number)), bounded=True)
            return found.end()
        elif sign == ")":
            self._close()
        elif sign == "|":
            self._groups += len(self._open) > 1
        elif sign == "\\":
            self._wide |= self._pattern[at + 1 : at + 2] in _WIDE_ESCAPES
            self._open[-1].add(1, 0)
            return at + 2
        else:
            self._wide |= sign == "."
            self._open[-1].add(1, 0)
        return at + 1

    def _class(self, at: int) -> int:
        self._wide |= self._pattern[at + 1 : at + 2] == "^"
        end = at + 1
        while end < len(self._pattern) and self._pattern[end] != "]":
            end += 2 if self._pattern[end] == "\\" else 1
        self._wide |= not self._pattern[at:end].isascii()
        self._open[-1].add(1, 0)
        return end + 1

    def _repeat(self, times: int, *, bounded: bool) -> None:
        part = self._open[-1]
        size, repeated = part.last
        self._nested |= repeated > 0
        if bounded:
            self._groups += 1
            part.replace(size * times, size * times)
        else:
            self._stars += 1

    def _close(self) -> None:
        if len(self._open) > 1:
            inner = self._open.pop()
            self._open[-1].add(inner.size, inner.repeated)


def pattern_cost(pattern: str) -> float:
    """Return the milliseconds that a pattern takes to compile, roughly; too high rather than too low."""
    return _Scan(pattern).cost()


def check_pattern(pattern: object) -> str:
    """Return a pattern that is a text. Raises GrammarError."""
    if not isinstance(pattern, str):
        raise GrammarError("a pattern has to be a string; write a regular expression")
    return pattern
