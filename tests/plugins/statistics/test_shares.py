"""Intervals of a share are those of the literature, and hold as often as they say."""

from __future__ import annotations

import random

import pytest

from postil.plugins.statistics.shares import at_most, clopper_pearson, upper_bound, wilson

CASES = [(0, 1), (1, 1), (0, 50), (50, 50), (1, 87), (289, 300), (3, 313), (700, 2000)]


@pytest.mark.parametrize(("hits", "count"), CASES)
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_both_intervals_are_those_of_scipy(hits: int, count: int, confidence: float) -> None:
    from scipy.stats import binomtest

    found = binomtest(hits, count)
    for ours, method in ((wilson, "wilson"), (clopper_pearson, "exact")):
        theirs = found.proportion_ci(confidence, method=method)
        assert ours(hits, count, confidence) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    one_sided = binomtest(hits, count, alternative="less").proportion_ci(confidence, method="exact")
    assert upper_bound(hits, count, confidence) == pytest.approx(one_sided.high, abs=1e-9)


@pytest.mark.parametrize(("hits", "count"), CASES)
def test_the_sum_of_a_binomial_is_that_of_scipy(hits: int, count: int) -> None:
    from scipy.stats import binom

    for chance in (0.001, 0.02, 0.5, 0.99):
        assert at_most(hits, count, chance) == pytest.approx(binom.cdf(hits, count, chance), rel=1e-8, abs=1e-300)


def test_nothing_counted_says_nothing() -> None:
    assert wilson(0, 0) == clopper_pearson(0, 0) == (0.0, 1.0)


def test_the_exact_bound_misses_the_share_as_seldom_as_it_says() -> None:
    """One in twenty, of 4,000 drawn: 6.5 % would be four standard deviations."""
    chance = random.Random(11)
    share, count = 0.03, 200
    bounds = [upper_bound(hits, count) for hits in range(40)]
    misses = sum(bounds[sum(chance.random() < share for _ in range(count))] < share for _ in range(4000))
    assert misses / 4000 < 0.065
