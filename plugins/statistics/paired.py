"""Compares two adapters that answered the same rows: what counts is where only one of them is right."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from postil.plugins.statistics.shares import CONFIDENCE, HALVINGS, Interval, at_most

Verdict = Literal["not worse", "worse", "not shown"]
NOT_WORSE: Verdict = "not worse"
WORSE: Verdict = "worse"
NOT_SHOWN: Verdict = "not shown"


@dataclass(frozen=True, slots=True)
class Pairs:
    """Rows that two adapters answered: how many there are, and where only the one or only the other is right."""

    rows: int
    only_before: int
    only_after: int

    @classmethod
    def counted(cls, right: Iterable[tuple[bool, bool]]) -> Pairs:
        """Count pairs (the one is right, the other is right)."""
        pairs = list(right)
        return cls(len(pairs), sum(a and not b for a, b in pairs), sum(b and not a for a, b in pairs))

    @property
    def difference(self) -> float:
        """How much higher the second one's share of right answers is."""
        return (self.only_after - self.only_before) / self.rows if self.rows else 0.0


def mcnemar(pairs: Pairs) -> float:
    """Return the exact two-sided p-value that both are equally often right.

    After McNemar, "Note on the Sampling Error of the Difference Between Correlated Proportions or Percentages" (1947),
    with the binomial distribution in place of its approximation.
    """
    differ = pairs.only_before + pairs.only_after
    if differ == 0:
        return 1.0
    return min(1.0, 2 * at_most(min(pairs.only_before, pairs.only_after), differ, 0.5))


def difference_interval(pairs: Pairs, confidence: float = CONFIDENCE) -> Interval:
    """Return the two-sided interval of the difference of the two shares; -1 to 1 where there are no rows.

    The score interval of Tango, "Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design" (1998). It is sound where few rows differ, or none, as is usual for two releases.
    """
    return Interval(*(_end(pairs, sign * NormalDist().inv_cdf((1 + confidence) / 2)) for sign in (1, -1)))


def least_difference(pairs: Pairs, confidence: float = CONFIDENCE) -> float:
    """Return what the difference is at least, with ``confidence``: the one-sided bound of the same method."""
    return _end(pairs, NormalDist().inv_cdf(confidence))


def verdict(pairs: Pairs, margin: float, confidence: float = CONFIDENCE) -> Verdict:
    """Say whether the second is shown to be not worse by more than ``margin``, or worse by more, or neither."""
    if least_difference(pairs, confidence) >= -margin:
        return NOT_WORSE
    turned = Pairs(pairs.rows, pairs.only_after, pairs.only_before)
    return WORSE if least_difference(turned, confidence) > margin else NOT_SHOWN


def rows_needed(margin: float, confidence: float = CONFIDENCE) -> int:
    """Return how many rows show "not worse by more than ``margin``" if both answer all of them equally well."""
    z = NormalDist().inv_cdf(confidence)
    # Where no row differs, the bound is -z² / (rows + z²).
    return math.ceil(z * z * (1 - margin) / margin)


def _end(pairs: Pairs, wanted: float) -> float:
    """Return the difference at which the score is ``wanted``; the score falls as the difference grows."""
    low, high = -1.0, 1.0
    if pairs.rows == 0:
        return math.copysign(1.0, -wanted)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if _score(pairs, middle) > wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _score(pairs: Pairs, difference: float) -> float:
    """Tango's statistic, with the most likely share of rows where only the first is right, given the difference."""
    rows, before, after = pairs.rows, pairs.only_before, pairs.only_after
    b = (2 * rows - after + before) * difference - before - after
    c = -before * difference * (1 - difference)
    likely = (math.sqrt(max(0.0, b * b - 8 * rows * c)) - b) / (4 * rows)
    spread = rows * (2 * likely + difference * (1 - difference))
    gap = after - before - rows * difference
    if spread <= 0:
        return math.copysign(math.inf, gap) if gap else 0.0
    return gap / math.sqrt(spread)
