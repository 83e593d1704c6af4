"""Estimates how long a regular expression takes to compile into a grammar.

What takes the compiler long are bounded repetitions: those of wide atoms (``.{1,50}``), several one after the other,
and one within another; and many wide atoms or stars in a row.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from postil.registry.errors import GrammarError
from postil.registry.policy.grammars.estimate import Estimate, written

# xgrammar takes blanks and any number of digits, leading zeros among them.
_BOUNDED = re.compile(r"\{\s*([0-9]+)\s*(?:,\s*([0-9]*)\s*)?\}")
_MOST_DIGITS = 6
_GROUP = re.compile(r"\((\?(:|=|!|>|<=|<!|P?<\w+>))?")
# An escape with what belongs to it: braces there repeat nothing.
_ESCAPE = re.compile(r"\\(?:[ux]\{[0-9a-fA-F]+\}|.)?", re.DOTALL)
_WIDE_ESCAPES = frozenset("SWDpP")
_CLASS_ESCAPES = frozenset("swd")
# Of repeated atoms, and of those that stand for themselves.
_NARROW, _WIDE, _NESTED = 1.5, 14.0, 10.0
_CHARACTER, _CLASS, _WIDE_CLASS = 0.05, 1.5, 5.0
# Stars after one another are a product: each may end where the next begins.
_STAR, _STARS, _WIDE_STAR, _WIDE_STARS = 1.5, 0.001, 6.0, 0.06
_FRONT_CHARACTER, _FRONT_CLASS, _FRONT_REPEATED, _FRONT_SQUARE, _FRONT_WIDE = 0.0015, 0.01, 0.004, 4.5e-5, 0.06


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
        self._groups = self._stars = self._narrow = self._wide = 0
        self._nested = False

    def estimate(self) -> Estimate:
        at = 0
        while at < len(self._pattern):
            at = self._step(at)
        while len(self._open) > 1:
            self._close()
        return Estimate(self._compiling(), self._front())

    def _compiling(self) -> float:
        repeated = self._open[0].repeated * max(1, self._groups)
        weight = (_WIDE if self._wide else _NARROW) * (_NESTED if self._nested else 1)
        star, stars = (_WIDE_STAR, _WIDE_STARS) if self._wide else (_STAR, _STARS)
        atoms = written(self._pattern) * _CHARACTER + self._narrow * _CLASS + self._wide * _WIDE_CLASS
        return repeated * weight + atoms + self._stars * star + self._stars**2 * stars

    def _front(self) -> float:
        repeated = self._open[0].repeated
        each = _FRONT_WIDE if self._wide else _FRONT_REPEATED
        atoms = written(self._pattern) * _FRONT_CHARACTER + (self._narrow + self._wide) * _FRONT_CLASS
        return atoms + repeated * each + repeated**2 * _FRONT_SQUARE

    def _step(self, at: int) -> int:
        """Read what stands at a place; returns the next place. Raises GrammarError."""
        sign = self._pattern[at]
        if sign == "(":
            self._open.append(_Part())
            return at + len(_GROUP.match(self._pattern, at)[0])  # type: ignore[index]  # It begins with the sign.
        if sign == "[":
            return self._class(at)
        if sign == "\\":
            return self._escape(at)
        if sign == "{":
            return self._counted(at)
        if sign in "?*+":
            self._repeat(1, bounded=sign == "?")
        elif sign == ")":
            self._close()
        elif sign == "|":
            self._groups += len(self._open) > 1
        else:
            self._atom(wide=sign == ".", narrow=False)
        return at + 1

    def _atom(self, *, wide: bool, narrow: bool = True) -> None:
        self._wide += wide
        self._narrow += narrow and not wide
        self._open[-1].add(1, 0)

    def _escape(self, at: int) -> int:
        found = _ESCAPE.match(self._pattern, at)
        assert found is not None, "it begins with the sign"
        name = found[0][1:2]
        self._atom(wide=name in _WIDE_ESCAPES, narrow=name in _CLASS_ESCAPES)
        return found.end()

    def _class(self, at: int) -> int:
        end = at + 1
        while end < len(self._pattern) and self._pattern[end] != "]":
            end += 2 if self._pattern[end] == "\\" else 1
        inside = self._pattern[at + 1 : end]
        self._atom(wide=inside[:1] == "^" or not inside.isascii())
        return end + 1

    def _counted(self, at: int) -> int:
        """Read a counted repetition. Whatever else a brace might be to the compiler is refused: nobody counts it."""
        found = _BOUNDED.match(self._pattern, at)
        if found is None:
            raise GrammarError("a pattern has a { that is no repetition; write \\{ for the sign, or {2,5} to repeat")
        counts = [count for count in found.groups() if count]
        if max(map(len, counts)) > _MOST_DIGITS:
            raise GrammarError(f"a repetition in a pattern has more than {_MOST_DIGITS} digits; write a smaller one")
        self._repeat(max(1, *map(int, counts)), bounded=True)
        return found.end()

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


def pattern_estimate(pattern: str) -> Estimate:
    """Return what a pattern takes, roughly. Raises GrammarError for braces that are neither signs nor repetitions."""
    return _Scan(pattern).estimate()
