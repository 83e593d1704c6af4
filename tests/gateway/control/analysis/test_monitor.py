"""Which release is watched beside which, what counts, and when there is an alarm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from postil.gateway.control.analysis.betting import Tolerance
from postil.gateway.control.analysis.comparison import CALIBRATION, Comparison
from postil.gateway.control.analysis.monitor import Monitor, Regression
from postil.gateway.inference.formats import Kind
from postil.gateway.inference.record import RequestOutcome, RequestRecord
from postil.gateway.inference.request import CompletionRequest
from postil.gateway.inference.routing.catalog import NUMBER, PIN, AdapterEntry, Route, TrafficShare
from postil.gateway.tenancy.directory import Caller
from postil.registry.names import AdapterName
from postil.registry.releases.channels import CANARY, STABLE
from tests.fakes.observers import Observer
from tests.gateway.inference.routing.test_catalog import RELEASES, TRIAGE

CALLER, ASK = Caller("clinic", frozenset({"healthcare"})), CompletionRequest(Kind.CHAT, {}, None, False, False)
NAME = str(TRIAGE)
# Of so many records the first half says what is slow.
MANY = 2 * CALIBRATION


class Watched:
    """A monitor, the entry that it follows, and what it found. Time goes on by ``every`` seconds a request."""

    def __init__(self, **comparison: Any) -> None:
        self.alarms: list[Regression] = []
        self.now, self.every = 0.0, 0.0
        self.monitor = Monitor(self.alarms.append, partial(Comparison, **comparison), lambda: self.now)
        self.entry: AdapterEntry | None = None

    def at(
        self,
        live: int | None,
        canary: int | None = None,
        *,
        weight: float = 10,
        promoted: bool = True,
        name: AdapterName = TRIAGE,
    ) -> None:
        """The channels point there now."""
        share = TrafficShare(canary, weight) if canary else None
        before, self.entry = self.entry, AdapterEntry(name, RELEASES, {}, live, canary=share, promoted=promoted)
        self.monitor.follow(self.entry, before)

    def ask(
        self,
        number: int,
        why: str = STABLE,
        *,
        bad: bool = False,
        times: int = 1,
        name: str = NAME,
        seconds: float | None = None,
    ) -> None:
        """So many requests to a release."""
        release = RELEASES[number]
        release = replace(release, ref=replace(release.ref, domain=name.split("/")[0], adapter=name.split("/")[1]))
        tell = self.monitor.finished if seconds is None else self.slow(seconds)
        for _ in range(times):
            record = RequestRecord.start(Route(release, why), CALLER, ASK, [Observer(tell, self.monitor.started)])
            record.failed_validation = bad
            record.finish()
            self.now += self.every

    def slow(self, seconds: float) -> Callable[[RequestRecord], None]:
        """What ends a request as if it had taken so long."""

        def tell(record: RequestRecord) -> None:
            record.seconds = seconds
            self.monitor.finished(record)

        return tell

    def both(self, times: int, *, bad: bool) -> None:
        """Requests to stable 1, and as many to canary 2."""
        for _ in range(times):
            self.ask(1)
            self.ask(2, CANARY, bad=bad)

    def watching(self) -> tuple[str, int, int] | None:
        """What is watched: on which channel, beside which, and which."""
        watch = self.monitor.watch(NAME)
        return (watch.which, watch.old, watch.new) if watch else None

    def totals(self) -> tuple[int, int]:
        """How many requests of the old and of the new release were compared."""
        watch = self.monitor.watch(NAME)
        assert watch is not None
        first = watch.comparison.evidence()[0]
        return first.baseline_total, first.candidate_total


@pytest.fixture
def watched() -> Watched:
    """A monitor of an adapter whose release 1 is live."""
    # How long a request takes here is up to the machine: no share of slow ones is too many.
    made = Watched(slow_tolerance=Tolerance(extra=0.99))
    made.at(1)
    return made


def test_a_bad_canary_is_an_alarm_once(watched: Watched) -> None:
    watched.at(1, 2)
    assert watched.watching() == (CANARY, 1, 2)
    watched.both(200, bad=True)
    (regression,) = watched.alarms
    assert (regression.which, str(regression.new), str(regression.old)) == (CANARY, f"{NAME}@2", f"{NAME}@1")
    assert regression.evidence.signal == "validator failures"
    assert watched.watching() is None


@pytest.mark.parametrize("weight", [10, 50])
def test_a_canary_that_was_found_worse_and_stays_is_not_tried_again(watched: Watched, weight: float) -> None:
    watched.at(1, 2)
    watched.both(200, bad=True)
    watched.at(1, 2, weight=weight)
    watched.both(200, bad=True)
    assert len(watched.alarms) == 1


def test_a_canary_that_was_ended_and_begins_again_is_watched_again(watched: Watched) -> None:
    for _ in range(2):
        watched.at(1, 2)
        watched.both(200, bad=True)
        watched.at(1)
    assert len(watched.alarms) == 2


def test_a_good_canary_is_no_alarm_and_goes_on_being_watched(watched: Watched) -> None:
    watched.at(1, 2)
    watched.both(500, bad=False)
    assert (watched.alarms, watched.totals()) == ([], (500, 500))


def test_another_weight_goes_on_with_the_same_evidence_and_another_release_begins_anew(watched: Watched) -> None:
    watched.at(1, 2)
    watched.both(5, bad=False)
    watched.at(1, 2, weight=50)
    assert watched.totals() == (5, 5)
    watched.at(1, 3)
    assert (watched.watching(), watched.totals()) == ((CANARY, 1, 3), (0, 0))
    watched.at(4, 3)
    assert (watched.watching(), watched.totals()) == ((CANARY, 4, 3), (0, 0))


def test_a_canary_that_has_ended_is_not_watched(watched: Watched) -> None:
    watched.at(1, 2)
    watched.at(1)
    assert watched.watching() is None
    watched.both(200, bad=True)
    assert watched.alarms == []


def test_a_fresh_stable_is_compared_with_what_was_recorded_of_its_predecessor(watched: Watched) -> None:
    watched.ask(1, times=MANY)
    watched.at(2)
    assert watched.watching() == (STABLE, 1, 2)
    watched.ask(2, bad=True, times=50)
    (regression,) = watched.alarms
    assert (regression.which, regression.new.number, regression.old.number) == (STABLE, 2, 1)


def test_a_fresh_stable_that_is_good_is_watched_until_the_records_end(watched: Watched) -> None:
    watched.ask(1, times=MANY)
    watched.at(2)
    watched.ask(2, times=50)
    assert watched.watching() is not None
    watched.ask(2, times=200)
    assert (watched.watching(), watched.alarms) == (None, [])
    watched.ask(2, bad=True, times=200)
    assert watched.alarms == []


def test_a_canary_that_was_promoted_is_watched_as_stable_then(watched: Watched) -> None:
    watched.ask(1, times=MANY)
    watched.at(1, 2)
    watched.both(5, bad=False)
    watched.at(2)
    assert watched.watching() == (STABLE, 1, 2)


@pytest.mark.parametrize("records", [40, CALIBRATION, MANY - 1])
def test_a_predecessor_that_was_seldom_asked_shows_a_bad_release_too(watched: Watched, records: int) -> None:
    watched.ask(1, times=records)
    watched.at(2)
    watched.ask(2, bad=True, times=10)
    assert [regression.evidence.signal for regression in watched.alarms] == ["validator failures"]


def test_a_stable_that_was_never_asked_leaves_nothing_to_compare_with(watched: Watched) -> None:
    watched.at(2)
    assert watched.watching() is None
    watched.at(None)
    assert watched.watching() is None


@pytest.mark.parametrize(("every", "signals"), [(0.1, ["slow answers"]), (0.02, [])])
def test_slow_answers_count_unless_more_is_asked_than_ever_of_the_predecessor(every: float, signals: list[str]) -> None:
    watched = Watched()
    watched.at(1)
    watched.every = 0.1
    watched.ask(1, times=MANY, seconds=1.0)
    watched.at(2)
    traces = []
    for _ in range(100):
        traces.append(
            RequestRecord.start(
                Route(RELEASES[2], STABLE), CALLER, ASK, [Observer(watched.slow(9.0), watched.monitor.started)]
            )
        )
        watched.now += every
    for record in traces:
        record.finish()
    assert [regression.evidence.signal for regression in watched.alarms] == signals


def test_failures_count_however_much_is_asked() -> None:
    watched = Watched()
    watched.at(1)
    watched.every = 0.1
    watched.ask(1, times=MANY, seconds=1.0)
    watched.at(2)
    watched.every = 0.0
    watched.ask(2, times=100, bad=True, seconds=9.0)
    assert [regression.evidence.signal for regression in watched.alarms] == ["validator failures"]


@pytest.mark.parametrize(("left", "back"), [(2, 1), (1, 2)])
def test_going_back_is_not_watched_whatever_the_numbers(left: int, back: int) -> None:
    watched = Watched()
    watched.at(left)
    watched.ask(left, times=MANY)
    watched.at(back, promoted=False)
    assert watched.watching() is None


def test_an_older_release_that_is_promoted_is_watched(watched: Watched) -> None:
    watched.at(3)
    watched.ask(3, times=MANY)
    watched.at(2)
    assert watched.watching() == (STABLE, 3, 2)


def test_only_the_direct_predecessor_counts(watched: Watched) -> None:
    watched.ask(1, bad=True, times=MANY)
    watched.at(2)
    watched.ask(2, times=MANY)
    watched.at(3)
    watched.ask(3, bad=True, times=50)
    assert [(regression.new.number, regression.old.number) for regression in watched.alarms] == [(3, 2)]


@pytest.mark.parametrize("why", [NUMBER, PIN])
def test_what_somebody_chose_does_not_count(watched: Watched, why: str) -> None:
    watched.at(1, 2)
    for _ in range(100):
        watched.ask(1, why)
        watched.ask(2, why, bad=True)
    assert (watched.totals(), watched.alarms) == ((0, 0), [])


def test_a_request_that_was_refused_for_its_own_fault_does_not_count(watched: Watched) -> None:
    watched.at(1, 2)
    record = RequestRecord.start(Route(RELEASES[2], CANARY), CALLER, ASK, [watched.monitor])
    record.finish(RequestOutcome.REFUSED)
    record.finish()
    assert watched.totals() == (0, 0)


def test_a_canary_that_could_not_be_loaded_is_seen_and_so_is_who_answered(watched: Watched) -> None:
    watched.at(1, 2)
    for _ in range(100):
        route = Route(RELEASES[2], CANARY, otherwise=RELEASES[1])
        record = RequestRecord.start(route, CALLER, ASK, [watched.monitor])
        record.reroute(Route(RELEASES[1], STABLE))
        record.finish()
    (regression,) = watched.alarms
    assert regression.evidence.signal == "engine errors"
    assert (
        regression.evidence.baseline_failures
        == 0
        < regression.evidence.candidate_failures
        == regression.evidence.candidate_total
    )


def test_adapters_are_watched_apart(watched: Watched) -> None:
    watched.at(1, 2)
    watched.entry = None
    watched.at(1, 2, name=AdapterName("legal", "clause"))
    for _ in range(200):
        watched.ask(1, name="legal/clause")
        watched.ask(2, CANARY, bad=True, name="legal/clause")
    assert [str(regression.new) for regression in watched.alarms] == ["legal/clause@2"]
    assert (watched.watching(), watched.totals()) == ((CANARY, 1, 2), (0, 0))
