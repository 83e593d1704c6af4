"""Intervals and bounds for a share, such as "96 of 100 answers are right"."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

CONFIDENCE = 0.95
# Halvings of an interval of probabilities: more than a float can tell apart.
HALVINGS = 60


class Interval(NamedTuple):
    """From ``low`` to ``high``, both included."""

    low: float
    high: float


def wilson(hits: int, count: int, confidence: float = CONFIDENCE) -> Interval:
    """Return the score interval of a share; 0 to 1 where nothing was counted.

    After Wilson, "Probable Inference, the Law of Succession, and Statistical Inference" (1927). Unlike the textbook's
    interval it is sound near 0 and 1, where good adapters are.
    """
    if count == 0:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, grown = hits / count, 1 + z * z / count
    centre = (share + z * z / (2 * count)) / grown
    half = z / grown * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    # At the ends the interval ends exactly there, which rounding would miss.
    return Interval(0.0 if hits == 0 else max(0.0, centre - half), 1.0 if hits == count else min(1.0, centre + half))


def at_most(hits: int, count: int, chance: float) -> float:
    """Return the probability of at most ``hits`` in ``count`` draws that hit with ``chance``, between 0 and 1."""
    odds, none = math.log(chance / (1 - chance)), count * math.log1p(-chance)
    terms = (none + n * odds + _log_choose(count, n) for n in range(min(hits, count) + 1))
    return min(1.0, math.fsum(map(math.exp, terms)))


def upper_bound(hits: int, count: int, confidence: float = CONFIDENCE) -> float:
    """Return what a share is at most, with ``confidence``: the exact one-sided bound.

    After Clopper and Pearson, "The Use of Confidence or Fiducial Limits Illustrated in the Case of the Binomial"
    (1934).
    """
    if hits >= count:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if at_most(hits, count, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def clopper_pearson(hits: int, count: int, confidence: float = CONFIDENCE) -> Interval:
    """Return the exact two-sided interval of a share; 0 to 1 where nothing was counted."""
    one_sided = (1 + confidence) / 2
    return Interval(1 - upper_bound(count - hits, count, one_sided), upper_bound(hits, count, one_sided))


def _log_choose(count: int, hits: int) -> float:
    return math.lgamma(count + 1) - math.lgamma(hits + 1) - math.lgamma(count - hits + 1)
