"""The promise: it holds as often as it says, and where it cannot be given the rows that it takes are told."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from postil.registry.training.statistics.promise import Counts, Row, promise, rows_needed


@pytest.mark.parametrize(("wrong", "rows"), [(0, 149), (1, 236), (2, 313)])
def test_the_rows_that_two_per_cent_take_are_those_of_the_tables(wrong: int, rows: int) -> None:
    assert rows_needed(wrong) == rows


@pytest.mark.parametrize("wrong", [0, 1, 7, 40])
def test_the_rows_needed_are_the_fewest_by_the_exact_bound_of_scipy(wrong: int) -> None:
    from scipy.stats import beta

    rows = rows_needed(wrong, 0.05, 0.1)
    assert beta.ppf(0.9, wrong + 1, rows - wrong) <= 0.05 < beta.ppf(0.9, wrong + 1, rows - 1 - wrong)


def test_the_smallest_minimum_is_found_for_which_it_holds() -> None:
    rows = [Row(0.99, False)] * 200 + [Row(0.7, False)] * 50 + [Row(0.6, True)] * 20 + [Row(None, True)] * 30
    found = promise(rows)
    assert found.minimum is not None
    assert 0.6 < found.minimum <= 0.7
    assert (found.answered, found.wrong) == (250, 0)
    assert found.bound == pytest.approx(1 - 0.05 ** (1 / 250))


def test_it_goes_down_to_nothing_where_all_is_right() -> None:
    found = promise([Row(0.001, False)] * 149)
    assert (found.minimum, found.answered) == (0.0, 149)


def test_too_few_rows_promise_nothing_however_right_they_are() -> None:
    found = promise([Row(0.999, False)] * 87)
    assert (found.minimum, found.answered, found.wrong, found.needed) == (None, 87, 0, 149)
    assert found.bound == pytest.approx(1 - 0.05 ** (1 / 87))


def test_errors_among_the_surest_promise_nothing_and_tell_what_it_would_take() -> None:
    found = promise([Row(0.999, True)] * 2 + [Row(0.999, False)] * 200)
    assert (found.minimum, found.answered, found.wrong, found.needed) == (None, 202, 2, 313)


def test_without_rows_there_is_nothing_to_say() -> None:
    found = promise([])
    assert (found.minimum, found.answered, found.bound, found.needed) == (None, 0, 1.0, 149)


@pytest.mark.parametrize("temperature", [0.6, 1.0, 2.5])
def test_the_temperature_moves_the_minimum_and_not_what_is_answered(temperature: float) -> None:
    chance = random.Random(3)
    rows = [Row(p, chance.random() > p**0.3) for p in (chance.uniform(0.5, 1) for _ in range(600))]
    found, cold = promise(rows, temperature, alpha=0.1), promise(rows, alpha=0.1)
    assert found.minimum is not None
    assert (found.answered, found.wrong) == (cold.answered, cold.wrong)
    assert Counts(rows, temperature).at(found.minimum) == (found.answered, found.wrong)


def slope(probability: float) -> float:
    """The share of wrong answers falls evenly with the probability."""
    return 0.5 * (1 - probability)


def cliff(probability: float) -> float:
    """Just below 0.8 answers begin to be wrong, which a threshold has to keep out."""
    return 0.2 if probability < 0.8 else 0.018


def flat(probability: float) -> float:
    """A little more than what is promised is wrong at any threshold: nothing may be promised."""
    return 0.0201


def missed(error: Callable[[float], float], rows: int, runs: int = 400) -> float:
    """The share of runs whose minimum, on endless messages, answers more wrongly than was promised."""
    chance = random.Random(7)
    live = [(n + 0.5) / 400 for n in range(400)]
    misses = 0
    for _ in range(runs):
        drawn = [chance.random() for _ in range(rows)]
        found = promise([Row(p, chance.random() < error(p)) for p in drawn])
        if found.minimum is not None:
            served = [error(p) for p in live if p >= found.minimum]
            misses += sum(served) / len(served) > 0.02
    return misses / runs


@pytest.mark.parametrize("error", [slope, cliff, flat])
@pytest.mark.parametrize("rows", [170, 600])
def test_it_is_broken_in_at_most_one_run_of_twenty(error: Callable[[float], float], rows: int) -> None:
    """Of 400 runs: 8.5 % would be more than three standard deviations above 5 %."""
    assert missed(error, rows) < 0.085
