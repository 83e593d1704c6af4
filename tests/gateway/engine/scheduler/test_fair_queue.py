"""Nobody starves, nobody takes more than a share, and the engine's limits are kept: on a clock of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postil.gateway.engine.scheduler.fair_queue import FairQueue
from postil.gateway.engine.scheduler.types import QueueEntry, QueueIsFullError, SchedulerLimits, TooCostlyError
from tests.gateway.engine.scheduler.simulation import Arrival, Simulation, Went

LONGEST = 8.0
TENANTS = ("clinic", "bank", "court", "school")
ADAPTERS = (None, "a", "b", "c", "d", "e", "f")

_times = st.floats(0, 20, allow_nan=False)
_arrivals = st.lists(
    st.builds(
        Arrival, _times, st.sampled_from(TENANTS), st.sampled_from(ADAPTERS),
        st.floats(0.01, LONGEST), st.none() | st.floats(0, 10),
    ),
    max_size=120,
)  # fmt: skip
_limits = st.builds(SchedulerLimits, st.integers(1, 6), st.integers(1, 4), patience=st.floats(0, 2))
_weights = st.dictionaries(st.sampled_from(TENANTS), st.floats(0.5, 2))


def bound(limits: SchedulerLimits, went: Went, ahead: int) -> float:
    """How long a request may wait at most with ``ahead`` of its own tenant before it, whatever the others do.

    A tenant that gets nothing holds nothing after LONGEST, and then has its turn when the others had one each (twice,
    as its weight may be half of theirs). A slot is promised when every other tenant had one, each emptied in turn.
    """
    turn = LONGEST * (2 * len(TENANTS) + 2)
    slot = (len(TENANTS) + 1) * (2 * limits.patience + LONGEST + 2 * turn)
    return (ahead + 1) * (limits.patience + slot + turn)


@settings(max_examples=300, deadline=None)
@given(_limits, _weights, _arrivals)
def test_everybody_has_a_turn_within_a_bound(
    limits: SchedulerLimits, weights: dict[str, float], arrivals: list[Arrival]
) -> None:
    went = Simulation(limits, weights).run(arrivals)
    patient = [arrival for arrival in arrivals if arrival.leaves is None]
    assert sorted(each.at for each in patient) == sorted(w.arrival.at for w in went if w.arrival.leaves is None)
    for each in went:
        same = sum(other.tenant == each.arrival.tenant for other in arrivals)
        assert each.waited <= bound(limits, each, same)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 4), st.integers(1, 3), st.floats(0.05, 1), st.integers(50, 300), st.data())
def test_a_flood_for_other_adapters_holds_nobody_up_for_longer_than_a_few_slots_turns(
    places: int, slots: int, hold: float, flood: int, data: st.DataObject
) -> None:
    """However long the flood: the wait does not grow with it."""
    others = [f"x{number}" for number in range(slots)]
    stream = [
        Arrival(number * hold / places / 2, "flood", data.draw(st.sampled_from(others)), hold)
        for number in range(flood)
    ]
    limits = SchedulerLimits(places, slots, tenant_queue=1000, patience=0.2)
    went = Simulation(limits).run([*stream, Arrival(1.0, "clinic", "wanted", hold)])
    (found,) = [each for each in went if each.arrival.tenant == "clinic"]
    assert found.waited <= limits.patience + 2 * limits.patience + 3 * hold


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 50), st.lists(st.floats(0.1, LONGEST), min_size=60, max_size=200))
def test_a_flood_of_one_tenant_holds_up_anothers_first_request_by_one_place(places: int, holds: list[float]) -> None:
    flood = [Arrival(0.0, "flood", None, hold) for hold in holds]
    went = Simulation(SchedulerLimits(places)).run([*flood, Arrival(0.05, "clinic", None, 1.0)])
    (found,) = [each for each in went if each.arrival.tenant == "clinic"]
    assert found.passed == 0
    assert found.waited <= sorted(holds[:places])[0]


@st.composite
def _costly(draw: st.DrawFn) -> tuple[SchedulerLimits, list[Arrival]]:
    """Arrivals of which each costs something else, and none more than may be in flight."""
    limits = draw(_limits)
    costs = st.integers(1, limits.in_flight)
    return limits, [replace(arrival, cost=draw(costs)) for arrival in draw(_arrivals)]


@settings(max_examples=300, deadline=None)
@given(_costly(), _weights)
def test_what_is_in_flight_never_costs_more_than_the_capacity_and_everybody_has_a_turn(
    case: tuple[SchedulerLimits, list[Arrival]], weights: dict[str, float]
) -> None:
    """The simulation looks at the sum after each step."""
    limits, arrivals = case
    went = Simulation(limits, weights).run(arrivals)
    patient = [arrival for arrival in arrivals if arrival.leaves is None]
    assert sorted(each.at for each in patient) == sorted(w.arrival.at for w in went if w.arrival.leaves is None)
    for each in went:
        same = sum(other.tenant == each.arrival.tenant for other in arrivals)
        # While one tenant catches up with what another's largest request cost, it has as many turns as that.
        assert each.waited <= bound(limits, each, same) * limits.in_flight


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 32), st.lists(st.floats(0.1, LONGEST), min_size=80, max_size=300), st.data())
def test_a_large_request_is_overtaken_by_none_of_anothers_flood_of_small_ones(
    places: int, holds: list[float], data: st.DataObject
) -> None:
    cost = data.draw(st.integers(2, places))
    flood = [Arrival(0.0, "flood", None, hold) for hold in holds]
    went = Simulation(SchedulerLimits(places)).run([*flood, Arrival(0.05, "clinic", None, 1.0, cost=cost)])
    (found,) = [each for each in went if each.arrival.tenant == "clinic"]
    assert found.passed == 0
    assert found.waited <= sorted(holds[:places])[cost - 1]


@settings(max_examples=50, deadline=None)
@given(st.integers(8, 32), st.integers(2, 5), st.floats(0.1, 1))
def test_a_large_request_has_its_turn_among_many_tenants_that_always_have_small_ones(
    places: int, tenants: int, hold: float
) -> None:
    """However long that goes on: nobody overtakes it forever."""
    small = [
        Arrival(number * hold / places, f"t{number % tenants}", None, hold) for number in range(places * 40)
    ]  # As many as there are places for, all the time.
    went = Simulation(SchedulerLimits(places)).run([*small, Arrival(3 * hold, "large", None, hold, cost=8)])
    (found,) = [each for each in went if each.arrival.tenant == "large"]
    assert found.waited <= 3 * hold


@pytest.mark.parametrize("cost", [1, 8])
def test_a_tenant_that_sends_batches_gets_no_more_of_the_engine_than_one_that_sends_single_requests(cost: int) -> None:
    many = [Arrival(0.0, "batches", None, 1.0, cost=cost) for _ in range(800 // cost)]
    single = [Arrival(0.0, "single", None, 1.0) for _ in range(800)]
    went = Simulation(SchedulerLimits(16)).run([*many, *single])
    early = [each for each in went if each.waited < 40]
    served = {name: sum(e.arrival.cost for e in early if e.arrival.tenant == name) for name in ("batches", "single")}
    assert 0.45 <= served["single"] / sum(served.values()) <= 0.55


def test_what_costs_more_than_the_capacity_is_refused_and_nothing_waits_for_it() -> None:
    turns = FairQueue(SchedulerLimits(in_flight=4))
    with pytest.raises(TooCostlyError):
        turns.arrive(QueueEntry("t", None, 5), 0.0)
    assert turns.arrive(QueueEntry("t", None, 4), 0.0)


def test_who_asks_for_long_answers_gets_no_more_places_than_who_asks_for_short_ones() -> None:
    long = [Arrival(0.0, "long", None, 10.0) for _ in range(100)]
    short = [Arrival(0.1, "short", None, 0.1) for _ in range(400)]
    went = Simulation(SchedulerLimits(10)).run([*long, *short])
    # From when the first long answers end, five places are enough for fifty short ones a second.
    done = [each.arrival.at + each.waited for each in went if each.arrival.tenant == "short"]
    assert max(done) < 10 + 400 * 0.1 / 5 + 0.2


def test_a_weight_is_a_share() -> None:
    both = [Arrival(0.0, tenant, None, 1.0) for tenant in ("heavy", "light") for _ in range(60)]
    went = Simulation(SchedulerLimits(9), {"heavy": 2.0}).run([*both])
    first = [each.arrival.tenant for each in went[9:63]]
    assert 33 <= first.count("heavy") <= 39


def test_a_weight_is_a_share_with_a_single_place_too() -> None:
    both = [Arrival(0.0, tenant, None, 1.0) for tenant in ("heavy", "light") for _ in range(60)]
    went = Simulation(SchedulerLimits(1), {"heavy": 2.0}).run(both)
    first = [each.arrival.tenant for each in went[1:61]]
    assert 38 <= first.count("heavy") <= 42


def test_requests_for_an_adapter_in_flight_go_before_older_ones_for_another() -> None:
    turns = FairQueue(SchedulerLimits(adapters=1, patience=1.0))
    first, other, same = QueueEntry("t", "a"), QueueEntry("t", "b"), QueueEntry("t", "a")
    assert turns.arrive(first, 0.0)
    assert not turns.arrive(other, 0.1)
    assert not turns.arrive(same, 0.2)
    assert list(turns.grants(0.2)) == [same]
    assert list(turns.grants(1.0)) == []
    assert turns.next_look() == 1.1


def test_until_somebody_has_waited_too_long_then_the_slot_is_emptied_for_that_one() -> None:
    turns = FairQueue(SchedulerLimits(adapters=1, patience=1.0))
    first, other, late = QueueEntry("t", "a"), QueueEntry("t", "b"), QueueEntry("t", "a")
    turns.arrive(first, 0.0)
    turns.arrive(other, 0.1)
    assert list(turns.grants(1.1)) == []
    turns.arrive(late, 1.2)
    assert list(turns.grants(1.2)) == []
    turns.release(first, 2.0)
    assert list(turns.grants(2.0)) == [other]
    assert turns.adapters() == ["b"]


def test_the_slot_that_fewest_want_is_emptied_but_many_keep_theirs_no_longer_than_their_number_says() -> None:
    for late, emptied in ((1.2, "b"), (23.0, "b"), (30.0, "a")):
        turns = FairQueue(SchedulerLimits(in_flight=2, adapters=2, patience=1.0))
        turns.arrive(QueueEntry("t", "a"), 0.0)
        turns.arrive(QueueEntry("t", "b"), late - 1.0)
        for _ in range(3):
            turns.arrive(QueueEntry("t", "a"), late - 0.5)
        turns.arrive(QueueEntry("t", "c"), late - 0.5)
        assert list(turns.grants(late + 0.5)) == []
        assert not turns._is_open(emptied)


def test_a_slot_is_not_emptied_for_who_has_left() -> None:
    turns = FairQueue(SchedulerLimits(adapters=1, patience=1.0))
    first, other, late = QueueEntry("t", "a"), QueueEntry("t", "b"), QueueEntry("t", "a")
    turns.arrive(first, 0.0)
    turns.arrive(other, 0.0)
    assert list(turns.grants(1.0)) == []
    turns.release(other, 1.1)
    assert turns.arrive(late, 1.2)


def test_a_slot_is_not_emptied_before_who_it_was_emptied_for_has_been_in() -> None:
    turns = FairQueue(SchedulerLimits(in_flight=1, adapters=1, patience=0.0))
    for tenant in ("g", "t", "f", "f"):  # So f is the last to have a turn.
        earlier = QueueEntry(tenant, None)
        turns.arrive(earlier, 0.0)
        turns.release(earlier, 0.0)
    first, owed, passes, other = QueueEntry("t", "a"), QueueEntry("f", "x"), QueueEntry("g", "x"), QueueEntry("n", "b")
    turns.arrive(first, 0.0)
    turns.arrive(owed, 0.1)
    assert list(turns.grants(0.1)) == []
    turns.arrive(passes, 0.2)
    turns.release(first, 1.0)
    assert list(turns.grants(1.0)) == [passes]
    turns.arrive(other, 1.1)
    assert list(turns.grants(1.1)) == []
    turns.release(passes, 2.0)
    assert list(turns.grants(2.0)) == [owed]


def test_promises_go_round_the_tenants_whatever_these_hold() -> None:
    """One tenant holds places with requests to the base, and so would always be the last to be promised a slot."""
    holding = [Arrival(number * 0.25, "holding", None, 1.0) for number in range(400)]
    rotating = [Arrival(number * 0.1, "rotating", f"r{number % 10}", 0.3) for number in range(500)]
    wanted = Arrival(5.0, "holding", "x", 0.3)
    went = Simulation(SchedulerLimits(8, 1, patience=0.2)).run([*holding, *rotating, wanted])
    (found,) = [each for each in went if each.arrival is wanted]
    assert found.waited < 3


def test_the_queues_are_bounded_for_each_tenant_and_in_all() -> None:
    turns = FairQueue(SchedulerLimits(in_flight=1, tenant_queue=2, queue=3))
    turns.arrive(QueueEntry("a", None), 0.0)
    waiting = [QueueEntry("a", None), QueueEntry("a", None)]
    for entry in waiting:
        assert not turns.arrive(entry, 0.0)
    with pytest.raises(QueueIsFullError):
        turns.arrive(QueueEntry("a", None), 0.0)
    assert not turns.arrive(QueueEntry("b", None), 0.0)
    with pytest.raises(QueueIsFullError):
        turns.arrive(QueueEntry("c", None), 0.0)
    turns.release(waiting[0], 0.0)
    assert not turns.arrive(QueueEntry("c", None), 0.0)


def test_who_was_in_before_is_not_turned_away_and_goes_ahead_of_its_tenants_own() -> None:
    turns = FairQueue(SchedulerLimits(in_flight=1, tenant_queue=1))
    first, next_one, again = QueueEntry("a", None), QueueEntry("a", None), QueueEntry("a", None)
    turns.arrive(first, 0.0)
    turns.arrive(next_one, 0.0)
    turns.arrive(again, 0.0, ahead=True)
    turns.release(first, 1.0)
    assert list(turns.grants(1.0)) == [again]
