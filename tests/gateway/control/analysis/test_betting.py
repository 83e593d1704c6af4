"""The laws that the false-alarm promise stands on."""

from __future__ import annotations

from copy import deepcopy
from itertools import product
from math import exp, isclose, log, prod

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from postil.gateway.control.analysis.betting import RISK, Bet, Counts, Tolerance, Wealth, place_bet
from tests.benchmarks.pooled import Proportions

STRICT = Tolerance(1.0, 0.0)
ROUNDING = 1e-9

chances = st.floats(0.0, 1.0)
inner = st.floats(0.001, 0.999)
sizes = st.integers(1, 4)
tolerances = st.builds(Tolerance, st.floats(1.0, 2.0), st.floats(0.0, 0.2))
outcomes = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60)


@st.composite
def bets(draw: st.DrawFn) -> tuple[Tolerance, Bet, int, int]:
    """A bet on a block, whatever rates were expected, and the block's sizes."""
    tolerance, old_size, new_size = draw(tolerances), draw(sizes), draw(sizes)
    old_rate = draw(st.floats(0.0001, 0.35))
    worse = draw(st.floats(tolerance.ratio * old_rate + tolerance.extra + 0.0001, 0.9999))
    bet = place_bet(tolerance, old_rate, worse, old_size, new_size)
    assert bet is not None
    return tolerance, bet, old_size, new_size


class Fed:
    """A wealth that bets as soon as both sides have an outcome."""

    def __init__(self, tolerance: Tolerance) -> None:
        self.wealth = Wealth(tolerance)
        self._counts = [0, 0, 0, 0]

    @property
    def log_e(self) -> float:
        """The evidence so far."""
        return self.wealth.log_e

    def add(self, failed: bool, *, on_new: bool) -> None:
        """One outcome."""
        self._counts[2 * on_new] += failed
        self._counts[2 * on_new + 1] += 1
        self.wealth.bet(Counts(*self._counts))


def fed(test: Fed, history: list[tuple[bool, bool]]) -> Fed:
    """The test after outcomes of (new side or not, failed or not)."""
    for on_new, failed in history:
        test.add(failed, on_new=on_new)
    return test


def closed(history: list[tuple[bool, bool]]) -> list[tuple[bool, bool]]:
    """The history, and one outcome more where its last block is open."""
    waiting: set[bool] = set()
    for on_new, _ in history:
        waiting.add(on_new)
        if len(waiting) == 2:
            waiting.clear()
    return [*history, (not waiting.pop(), False)] if waiting else history


def chance(results: tuple[bool, ...], rates: list[float]) -> float:
    """The probability of exactly these results."""
    return prod(rate if failed else 1 - rate for failed, rate in zip(results, rates, strict=True))


@given(bets(), st.data())
def test_a_block_gains_nothing_on_average_where_the_new_side_is_within_its_tolerance(
    placed: tuple[Tolerance, Bet, int, int], data: st.DataObject
) -> None:
    tolerance, bet, old_size, new_size = placed
    # Every request has a rate of its own: all that counts is the mean of each side.
    old_rates = data.draw(st.lists(chances, min_size=old_size, max_size=old_size))
    most = tolerance.ratio * sum(old_rates) / old_size + tolerance.extra
    new_rates = data.draw(st.lists(chances, min_size=new_size, max_size=new_size))
    if sum(new_rates) > new_size * most:
        new_rates = [rate * new_size * most / sum(new_rates) for rate in new_rates]
    expected = 0.0
    for results in product((False, True), repeat=old_size + new_size):
        old, new = results[:old_size], results[old_size:]
        gain = bet.log_gain(sum(old), old_size - sum(old), sum(new), new_size - sum(new))
        expected += chance(old, old_rates) * chance(new, new_rates) * exp(gain)
    assert expected <= 1 + ROUNDING


@given(outcomes, tolerances, chances, chances, sizes, st.booleans())
def test_no_history_makes_the_next_block_a_winning_game(
    history: list[tuple[bool, bool]], tolerance: Tolerance, old_rate: float, share: float, size: int, new_first: bool
) -> None:
    before = fed(Fed(tolerance), closed(history))
    new_rate = share * min(1.0, tolerance.ratio * old_rate + tolerance.extra)
    sides = [new_first] * size + [not new_first]
    rates = [new_rate if on_new else old_rate for on_new in sides]
    expected = 0.0
    for results in product((False, True), repeat=len(sides)):
        after = fed(deepcopy(before), list(zip(sides, results, strict=True)))
        expected += chance(results, rates) * exp(after.log_e - before.log_e)
    assert expected <= 1 + ROUNDING


@given(bets(), st.data())
def test_a_block_whose_new_side_failed_no_oftener_than_tolerated_is_no_evidence_however_its_outcomes_hang_together(
    placed: tuple[Tolerance, Bet, int, int], data: st.DataObject
) -> None:
    tolerance, bet, old_size, new_size = placed
    old_failed = data.draw(st.integers(0, old_size))
    new_failed = data.draw(st.integers(0, new_size))
    assume(new_failed / new_size <= tolerance.ratio * old_failed / old_size + tolerance.extra)
    assert bet.log_gain(old_failed, old_size - old_failed, new_failed, new_size - new_failed) <= ROUNDING


@given(bets(), st.data())
def test_the_evidence_grows_with_failures_of_the_new_side_and_shrinks_with_those_of_the_old(
    placed: tuple[Tolerance, Bet, int, int], data: st.DataObject
) -> None:
    _, bet, old_size, new_size = placed
    old_failed = data.draw(st.integers(0, old_size - 1))
    new_failed = data.draw(st.integers(0, new_size - 1))
    gain = bet.log_gain(old_failed, old_size - old_failed, new_failed, new_size - new_failed)
    assert bet.log_gain(old_failed, old_size - old_failed, new_failed + 1, new_size - new_failed - 1) > gain
    assert bet.log_gain(old_failed + 1, old_size - old_failed - 1, new_failed, new_size - new_failed) < gain


@given(inner, inner, sizes, sizes, st.data())
def test_without_a_tolerance_a_block_counts_what_it_does_in_the_published_test(
    old_rate: float, new_rate: float, old_size: int, new_size: int, data: st.DataObject
) -> None:
    assume(new_rate > old_rate + 0.001)
    pooled = (old_size * old_rate + new_size * new_rate) / (old_size + new_size)
    assume((new_rate - pooled) / (1 - pooled) < RISK)
    bet = place_bet(STRICT, old_rate, new_rate, old_size, new_size)
    assert bet is not None
    old_failed, new_failed = data.draw(st.integers(0, old_size)), data.draw(st.integers(0, new_size))
    ratio = (
        old_failed * log(old_rate / pooled) + (old_size - old_failed) * log((1 - old_rate) / (1 - pooled))
        + new_failed * log(new_rate / pooled) + (new_size - new_failed) * log((1 - new_rate) / (1 - pooled))
    )  # fmt: skip
    gain = bet.log_gain(old_failed, old_size - old_failed, new_failed, new_size - new_failed)
    assert isclose(gain, ratio, rel_tol=1e-6, abs_tol=1e-9)


@given(tolerances, inner, inner, sizes, sizes)
def test_nothing_is_bet_on_what_is_tolerated(
    tolerance: Tolerance, old_rate: float, new_rate: float, old_size: int, new_size: int
) -> None:
    within = new_rate <= tolerance.ratio * old_rate + tolerance.extra
    assert (place_bet(tolerance, old_rate, new_rate, old_size, new_size) is None) == within


@given(outcomes)
def test_a_new_side_without_a_failure_never_gathers_evidence(history: list[tuple[bool, bool]]) -> None:
    test = Fed(Tolerance())
    for on_new, failed in history:
        fed(test, [(on_new, failed and not on_new)])
        assert test.log_e <= ROUNDING


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_an_improvement_never_gathers_evidence(pairs: list[tuple[bool, bool]]) -> None:
    test = Fed(Tolerance())
    for old_failed, better in pairs:
        fed(test, [(False, old_failed), (True, old_failed and not better)])
        assert test.log_e <= ROUNDING


def test_nothing_moves_until_both_sides_have_an_outcome() -> None:
    assert fed(Fed(STRICT), [(True, True)] * 50).log_e == 0
    assert fed(Fed(STRICT), [(False, False)] * 50).log_e == 0


def test_the_peak_stays_when_the_evidence_falls() -> None:
    test = fed(Fed(STRICT), [(False, False), (True, True)] * 20)
    peak = test.log_e
    fed(test, [(False, False), (True, False)] * 20)
    assert test.wealth.peak == peak > test.log_e


def test_a_copy_has_the_same_history_and_goes_its_own_way() -> None:
    test = fed(Fed(STRICT), [(False, False), (True, True)] * 5)
    copy = test.wealth.copy()
    assert (copy.log_e, copy.peak, copy.known.new_failed) == (test.wealth.log_e, test.wealth.peak, 5)
    test.wealth.bet(Counts(0, 6, 6, 6))
    assert test.wealth.log_e > copy.log_e
    copy.bet(Counts(0, 6, 6, 6))
    assert copy.log_e == test.wealth.log_e


def test_a_gross_failure_is_found_sooner_than_by_learning_alone() -> None:
    wealth, learned = Wealth(Tolerance()), Proportions(Tolerance())
    for requests in range(1, 5):
        wealth.bet(Counts(0, 10 * requests, requests, requests))
        for _ in range(10):
            learned.old(False)
        learned.new(True)
    assert wealth.log_e > learned.log_e


def test_evidence_of_any_size_stays_a_number() -> None:
    test = fed(Fed(STRICT), [(False, False), (True, True)] * 20_000)
    assert 1_000 < test.log_e < float("inf")


@pytest.mark.parametrize(("ratio", "extra"), [(0.9, 0.0), (1.0, -0.1), (1.0, 1.0)])
def test_a_tolerance_that_finds_fault_with_an_equal_release_is_refused(ratio: float, extra: float) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Tolerance(ratio, extra)
