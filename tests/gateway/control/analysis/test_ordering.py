"""The order of outcomes: by when requests came, whatever became of them."""

from __future__ import annotations

import heapq
import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from postil.gateway.control.analysis.comparison import Comparison, Evidence, Seen
from postil.gateway.control.analysis.ordering import Arrivals

GOOD = Seen(failed_validation=False, engine_error=False, fell_back=False, seconds=5.0)
FAILED = replace(GOOD, failed_validation=True, seconds=0.0)


def seconds(arrivals: Arrivals, now: float = 0.0) -> list[float]:
    """How long the ripe ones took."""
    return [seen.seconds for _, seen in arrivals.ripe(now)]


@given(st.permutations(range(8)))
def test_outcomes_come_in_the_order_of_their_requests(order: list[int]) -> None:
    arrivals = Arrivals()
    came = [arrivals.came(0.0, number % 2 == 0) for number in range(8)]
    handed_on = []
    for number in order:
        arrivals.ended(came[number], replace(GOOD, seconds=float(number)))
        handed_on += list(arrivals.ripe(0.0))
    assert [(on_new, seen.seconds) for on_new, seen in handed_on] == [(n % 2 == 0, float(n)) for n in range(8)]
    assert len(arrivals) == 0


def test_nothing_is_handed_on_before_those_who_came_first() -> None:
    arrivals = Arrivals()
    first, second = arrivals.came(0.0, True), arrivals.came(0.1, False)
    arrivals.ended(second, FAILED)
    assert list(arrivals.ripe(1.0)) == []
    arrivals.ended(first, GOOD)
    assert list(arrivals.ripe(1.0)) == [(True, GOOD), (False, FAILED)]


def test_a_request_that_says_nothing_of_the_release_holds_nobody_up() -> None:
    arrivals = Arrivals()
    first, second = arrivals.came(0.0, True), arrivals.came(0.1, True)
    arrivals.ended(second, GOOD)
    arrivals.ended(first, None)
    assert list(arrivals.ripe(1.0)) == [(True, GOOD)]


def test_a_request_is_waited_for_only_so_long_and_then_counts_as_slow() -> None:
    arrivals = Arrivals(patience=10.0)
    arrivals.came(0.0, True)
    arrivals.ended(arrivals.came(1.0, False), GOOD)
    assert seconds(arrivals, 10.0) == []
    assert list(arrivals.ripe(10.1)) == [(True, replace(GOOD, seconds=10.0)), (False, GOOD)]


def test_who_runs_out_of_patience_counts_the_same_whether_it_was_looked_for_or_not() -> None:
    late = replace(FAILED, seconds=11.0)
    looked_for, unlooked_for = Arrivals(patience=10.0), Arrivals(patience=10.0)
    one, other = looked_for.came(0.0, True), unlooked_for.came(0.0, True)
    before = list(looked_for.ripe(10.5))
    looked_for.ended(one, late)
    unlooked_for.ended(other, late)
    assert before == list(unlooked_for.ripe(11.0)) == [(True, replace(GOOD, seconds=10.0))]
    assert list(looked_for.ripe(11.0)) == []


def test_a_request_ends_once() -> None:
    arrivals = Arrivals()
    arrival = arrivals.came(0.0, True)
    arrivals.ended(arrival, FAILED)
    arrivals.ended(arrival, GOOD)
    assert list(arrivals.ripe(0.0)) == [(True, FAILED)]


def fresh_stable(rng: random.Random, *, in_order: bool) -> Evidence | None:
    """A release that fails as rarely as the one before it, and at once where it does; 200 requests a second."""
    comparison, arrivals = Comparison(), Arrivals()
    for _ in range(2_000):
        comparison.old(FAILED if rng.random() < 0.02 else GOOD)
    requests = [(number / 200, FAILED if rng.random() < 0.02 else GOOD) for number in range(2_000)]
    came = [arrivals.came(at, True) for at, _ in requests]
    ends = [(at + seen.seconds, number) for number, (at, seen) in enumerate(requests)]
    heapq.heapify(ends)
    while ends:
        now, number = heapq.heappop(ends)
        arrivals.ended(came[number], requests[number][1])
        for seen in [seen for _, seen in arrivals.ripe(now)] if in_order else [requests[number][1]]:
            comparison.old(FAILED if rng.random() < 0.02 else GOOD)
            comparison.new(seen)
    return comparison.finding


def test_failures_that_end_sooner_than_answers_raise_no_alarm_in_the_order_of_requests() -> None:
    assert [fresh_stable(random.Random(seed), in_order=True) for seed in range(5)] == [None] * 5
    # What the order is for: counted as they end, the same requests look like a release that only fails.
    assert None not in [fresh_stable(random.Random(seed), in_order=False) for seed in range(5)]
