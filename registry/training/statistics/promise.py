"""A threshold with a promise: "of what is answered, at most 2 % is wrong, with 95 % confidence".

After Angelopoulos, Bates, Candès, Jordan and Lei, "Learn then Test: Calibrating Predictive Algorithms to Achieve Risk
Control" (2021): each threshold is a hypothesis, "with it more than ALPHA of what is answered is wrong", and exact
binomial tests go from the strictest threshold downwards until one does not reject. The last one that was rejected is
the smallest threshold for which the promise holds. Testing in a fixed order needs no correction for many tests.

The order begins at the strictest threshold that leaves rows enough for a test to succeed at all. That depends on how
many rows are answered and not on whether they are right; the promise stands as long as the share of wrong answers does
not grow as the threshold does. Rows have to be drawn as live messages are, and not have been used to choose anything.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from postil.plugins.builtin.confidence import calibrated
from postil.plugins.statistics.shares import at_most, upper_bound

ALPHA, DELTA = 0.02, 0.05
# Log-odds of the thresholds, strictest first, fixed before any row is seen; the last answers everything.
_STRICTEST, _LOOSEST, _A_UNIT = 16, -6, 10
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Row:
    """One answer as the validator sees it: its probability before the temperature, and whether it is wrong.

    ``probability`` is None for an answer that is never served: the one with the reject label.
    """

    probability: float | None
    wrong: bool


@dataclass(frozen=True, slots=True)
class Promise:
    """The smallest calibrated ``minimum`` for which the promise holds; None where it holds for none.

    ``answered`` and ``wrong`` count rows at that minimum, ``bound`` is what the share of wrong ones is at most. Where
    there is none, they are those of the strictest threshold that was tested, and ``needed`` is how many answered rows
    with so few errors the promise takes.
    """

    minimum: float | None
    answered: int
    wrong: int
    bound: float
    needed: int


def promise(rows: Sequence[Row], temperature: float = 1.0, alpha: float = ALPHA, delta: float = DELTA) -> Promise:
    """Find the smallest minimum such that at most ``alpha`` of what is answered is wrong, at ``1 - delta``."""
    fewest, counts = rows_needed(0, alpha, delta), Counts(rows, temperature)
    best: tuple[float, int, int] | None = None
    for minimum in _minimums(temperature):
        answered, wrong = counts.at(minimum)
        if answered < fewest:
            continue
        if at_most(wrong, answered, alpha) > delta:
            break
        best = (minimum, answered, wrong)
    else:
        answered, wrong = counts.at(0.0)
    if best is None:
        bound = upper_bound(wrong, answered, 1 - delta)
        return Promise(None, answered, wrong, bound, rows_needed(wrong, alpha, delta))
    minimum, answered, wrong = best
    return Promise(minimum, answered, wrong, upper_bound(wrong, answered, 1 - delta), answered)


class Counts:
    """How many rows are answered, and how many of them wrong, at any minimum, as the validator decides it."""

    def __init__(self, rows: Sequence[Row], temperature: float) -> None:
        served = [(calibrated(row.probability, temperature), row.wrong) for row in rows if row.probability is not None]
        self._chances = sorted(chance for chance, _ in served)
        self._wrong = sorted(chance for chance, wrong in served if wrong)

    def at(self, minimum: float) -> tuple[int, int]:
        """Return (answered, wrong)."""
        return _reaching(self._chances, minimum), _reaching(self._wrong, minimum)


def rows_needed(wrong: int, alpha: float = ALPHA, delta: float = DELTA) -> int:
    """Return how many answered rows the promise takes if so many of them are wrong."""
    low, high = wrong, wrong + 1
    while at_most(wrong, high, alpha) > delta:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if at_most(wrong, middle, alpha) > delta else (low, middle)
    return high


def _reaching(chances: Sequence[float], minimum: float) -> int:
    return len(chances) - bisect_left(chances, minimum)


def _minimums(temperature: float) -> list[float]:
    """Return the thresholds after the temperature, each rounded up, so that rounding never answers more."""
    odds = (n / _A_UNIT for n in range(_STRICTEST * _A_UNIT, _LOOSEST * _A_UNIT - 1, -1))
    chances = [calibrated(1 / (1 + math.exp(-odd)), temperature) for odd in odds]
    return [*dict.fromkeys(math.ceil(chance * 10**_DIGITS) / 10**_DIGITS for chance in chances), 0.0]
