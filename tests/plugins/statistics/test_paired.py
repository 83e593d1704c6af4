"""Two adapters on the same rows: the test and the interval are those of the literature."""

from __future__ import annotations

import random

import pytest

from postil.plugins.statistics.paired import Pairs, difference_interval, least_difference, mcnemar, rows_needed, verdict


def test_rows_are_counted_where_only_one_is_right() -> None:
    pairs = Pairs.counted([(True, True), (True, False), (False, True), (False, True), (False, False)])
    assert (pairs, pairs.difference) == (Pairs(5, 1, 2), 0.2)


@pytest.mark.parametrize(("before", "after"), [(59, 25), (12, 8), (9, 9), (20, 12), (3, 32), (1, 0), (0, 6)])
def test_mcnemar_is_the_exact_binomial_test(before: int, after: int) -> None:
    from scipy.stats import binomtest

    expected = binomtest(before, before + after).pvalue
    assert mcnemar(Pairs(300, before, after)) == pytest.approx(expected, rel=1e-9)


def test_rows_that_never_differ_are_no_evidence() -> None:
    assert mcnemar(Pairs(300, 0, 0)) == 1.0


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        # Airway hyper-responsiveness before and after a transplantation, in Fagerland, Lydersen and Laake (2014).
        (Pairs(21, 7, 1), (-0.517, -0.026)),
    ],
)
def test_the_interval_is_that_of_a_published_example(pairs: Pairs, expected: tuple[float, float]) -> None:
    assert difference_interval(pairs) == pytest.approx(expected, abs=6e-4)


def test_where_no_row_differs_the_interval_has_a_closed_form() -> None:
    z2 = 1.959963984540054**2
    assert difference_interval(Pairs(300, 0, 0)) == pytest.approx((-z2 / (300 + z2), z2 / (300 + z2)), abs=1e-9)


@pytest.mark.parametrize("pairs", [Pairs(300, 12, 8), Pairs(10, 0, 10), Pairs(10, 10, 0), Pairs(4, 1, 0)])
def test_the_interval_turns_with_the_order(pairs: Pairs) -> None:
    low, high = difference_interval(pairs)
    turned = difference_interval(Pairs(pairs.rows, pairs.only_after, pairs.only_before))
    assert turned == pytest.approx((-high, -low), abs=1e-9)
    assert -1 <= low <= pairs.difference <= high <= 1
    assert low <= least_difference(pairs)


def test_without_rows_anything_is_possible() -> None:
    assert difference_interval(Pairs(0, 0, 0)) == (-1.0, 1.0)
    assert Pairs(0, 0, 0).difference == 0.0


@pytest.mark.parametrize("margin", [0.005, 0.01, 0.02, 0.05])
def test_as_many_rows_as_needed_just_show_it(margin: float) -> None:
    rows = rows_needed(margin)
    assert least_difference(Pairs(rows, 0, 0)) >= -margin > least_difference(Pairs(rows - 1, 0, 0))


@pytest.mark.parametrize(("before", "after"), [(0.03, 0.01), (0.02, 0.02), (0.10, 0.05)])
def test_the_one_sided_bound_holds_as_often_as_it_says(before: float, after: float) -> None:
    """2,000 comparisons of 300 rows; a score method keeps its level only about, so some more than 5 % may miss."""
    chance = random.Random(5)
    misses = 0
    for _ in range(2000):
        drawn = [chance.random() for _ in range(300)]
        pairs = Pairs(300, sum(x < before for x in drawn), sum(before <= x < before + after for x in drawn))
        misses += least_difference(pairs) > after - before
    assert misses / 2000 < 0.075


@pytest.mark.parametrize(
    ("pairs", "margin", "said"),
    [
        (Pairs(300, 0, 0), 0.01, "not worse"),
        (Pairs(200, 0, 0), 0.01, "not shown"),
        (Pairs(300, 5, 5), 0.01, "not shown"),
        (Pairs(300, 0, 20), 0.01, "not worse"),
        (Pairs(300, 40, 2), 0.01, "worse"),
        (Pairs(300, 40, 2), 0.2, "not worse"),
        (Pairs(0, 0, 0), 0.01, "not shown"),
    ],
)
def test_worse_is_told_from_what_the_rows_do_not_show(pairs: Pairs, margin: float, said: str) -> None:
    assert verdict(pairs, margin) == said


def test_a_release_that_is_worse_by_the_margin_passes_as_seldom_as_was_said() -> None:
    """2,000 comparisons of 400 rows with a release that is worse by just the margin."""
    chance = random.Random(9)
    passed = 0
    for _ in range(2000):
        drawn = [chance.random() for _ in range(400)]
        pairs = Pairs(400, sum(x < 0.03 for x in drawn), sum(0.03 <= x < 0.05 for x in drawn))
        passed += verdict(pairs, 0.01) == "not worse"
    assert passed / 2000 < 0.075
