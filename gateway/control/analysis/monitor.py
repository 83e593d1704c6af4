"""Compares a canary or a newly promoted release with its predecessor, and reports when it is worse."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

from postil.gateway.control.analysis.comparison import CALIBRATION, Comparison, Evidence, Seen
from postil.gateway.control.analysis.load import Pace
from postil.gateway.control.analysis.ordering import Arrivals
from postil.gateway.control.analysis.steps import Judged, StepEvidence, standing
from postil.gateway.inference.record import RequestOutcome
from postil.gateway.inference.routing.catalog import AdapterEntry
from postil.plugins import ReleaseRef
from postil.registry.releases.channels import CANARY, STABLE

# Recorded requests kept per live release, to compare its successor with once it gets no more traffic.
_KEPT = 2000
# Number of recorded requests of the predecessor that are compared with each new request.
_OLD_PER_NEW = 4


class Watched(Protocol):
    """What the monitor reads of a request: the release, why it was chosen, and the outcome.

    ``arrival`` belongs to the monitor; it is None until the monitor has seen the request start.
    """

    arrival: Any
    failed_validation: bool
    engine_error: bool
    fell_back: bool
    seconds: float
    client_caused: bool
    outcome: RequestOutcome | None

    @property
    def tenant(self) -> str:
        """The tenant that asks; empty for the admin."""

    @property
    def reason(self) -> str:
        """The reason for the release, as in ``Route``."""

    @property
    def ref(self) -> ReleaseRef:
        """The release that answers."""


@dataclass(slots=True)
class Watch:
    """A release that is compared, its baseline, and the baseline's recorded requests if it gets no more traffic.

    ``busiest`` is the highest pace in those records; a request at a higher pace may be slow because of the load alone.
    ``began`` is what was judged when the canary's ``step`` (its revision) was first seen.
    """

    which: str
    old: int
    new: int
    comparison: Comparison
    recorded: deque[Seen] | None = None
    busiest: int = 0
    over: bool = False
    step: int | None = None
    began: Judged = ()


@dataclass(frozen=True, slots=True)
class Regression:
    """A release that is worse than its predecessor, with its channel and the evidence."""

    which: str
    new: ReleaseRef
    old: ReleaseRef
    evidence: Evidence


class Monitor:
    """Runs at most one comparison per adapter; calls ``report`` once per regression. ``clock`` returns seconds.

    ``keep`` is told of every request that is evidence, compared or not.
    """

    def __init__(
        self,
        report: Callable[[Regression], None],
        compare: Callable[[], Comparison],
        clock: Callable[[], float] = time.monotonic,
        keep: Callable[[ReleaseRef, Seen], None] = lambda ref, seen: None,
    ) -> None:
        self._report = report
        self._compare = compare
        self._clock = clock
        self._keep = keep
        self._pace = Pace()
        self._past: dict[ReleaseRef, deque[Seen]] = {}
        self._watches: dict[str, Watch] = {}
        self._arrivals: dict[str, Arrivals] = {}
        self._users: Mapping[str, Iterable[str]] = {}

    def used_by(self, users: Mapping[str, Iterable[str]]) -> None:
        """Note the tenants of each adapter that are known from elsewhere, such as other gateways."""
        self._users = users
        for name, watch in self._watches.items():
            watch.comparison.known(users.get(name, ()))

    def watch(self, name: str) -> Watch | None:
        """Return the running comparison of an adapter, or None."""
        found = self._watches.get(name)
        return None if found is None or found.over else found

    def step_evidence(self, name: str) -> StepEvidence | None:
        """Return what was shown of an adapter's canary since its step began; None where it is not compared."""
        watch = self._watches.get(name)
        if watch is None or watch.step is None:
            return None
        comparison = watch.comparison
        judged = standing(comparison.judged(), watch.began, alone=comparison.alone)
        return StepEvidence(judged, *comparison.suspicion(), alarm=comparison.finding is not None)

    def follow(self, entry: AdapterEntry, before: AdapterEntry | None) -> None:
        """Start or end comparisons after an adapter's channels may have changed."""
        self._follow(entry, before)
        watch, revision = self._watches.get(str(entry.name)), entry.steps.revision if entry.steps else None
        if watch is not None and watch.step != revision:
            watch.step, watch.began = revision, watch.comparison.judged()

    def _follow(self, entry: AdapterEntry, before: AdapterEntry | None) -> None:
        name, live, canary = str(entry.name), entry.live, entry.canary
        if live is None:
            return
        known = self._watches.get(name)
        if canary is not None:
            # A changed weight keeps the comparison; a canary that was found worse is not compared again.
            if known is None or (known.which, known.old, known.new) != (CANARY, live, canary.number):
                self._begin(entry, Watch(CANARY, live, canary.number, self._compare()))
        elif before is not None and before.live is not None and before.live != live:
            self._watches.pop(name, None)
            recorded = self._past.get(entry.name.release(before.live))
            # A rollback is not compared: its finding would bring back the release that was rolled back.
            if entry.promoted and recorded:
                self._begin(entry, self._watch_stable(before.live, live, deque(recorded)))
        elif known is not None and known.which == CANARY:
            self._watches.pop(name, None)
        self._forget(entry)

    def started(self, request: Watched) -> None:
        """Note the start of a request. Only stable and canary requests count, not those for a numbered release."""
        if request.reason in (STABLE, CANARY):
            ref = request.ref
            arrivals, now = self._arrivals.setdefault(ref.name, Arrivals()), self._clock()
            request.arrival = arrivals.came(now, (request.reason, ref, self._pace.came(now), request.tenant))

    def finished(self, request: Watched) -> None:
        """Note the outcome of a request. Outcomes count in order of arrival, because failures often end faster."""
        if request.arrival is None:
            return
        arrivals, now = self._arrivals[request.ref.name], self._clock()
        pace = max(request.arrival.which[2], self._pace.at(now))
        arrivals.ended(request.arrival, _seen_of(request, pace))
        for which, ripe in arrivals.ripe(now):
            why, ref, pace, tenant = cast(tuple[str, ReleaseRef, int, str], which)
            # A request that is counted before it ended has no pace yet, and no tenant.
            known = (
                ripe if ripe.tenant and ripe.pace >= pace else replace(ripe, pace=max(pace, ripe.pace), tenant=tenant)
            )
            self._seen(why, ref, known)

    def _begin(self, entry: AdapterEntry, watch: Watch) -> None:
        """Start a comparison. Whoever has asked lately is a user of the adapter, whether its requests count or not."""
        assert entry.live is not None, "a release that is compared is live, or beside one that is"
        name = str(entry.name)
        for number in (watch.old, entry.live):
            watch.comparison.known({seen.tenant for seen in self._past.get(entry.name.release(number), ())})
        watch.comparison.known(self._users.get(name, ()))
        self._watches[name] = watch

    def _seen(self, why: str, ref: ReleaseRef, seen: Seen) -> None:
        self._keep(ref, seen)
        if why == STABLE:
            self._past.setdefault(ref, deque(maxlen=_KEPT)).append(seen)
        watch = self.watch(ref.name)
        if watch is not None:
            self._compared(watch, why, ref, seen)

    def _compared(self, watch: Watch, why: str, ref: ReleaseRef, seen: Seen) -> None:
        if (why, ref.number) == (STABLE, watch.old) and watch.recorded is None:
            finding = watch.comparison.old(seen)
        elif (why, ref.number) == (watch.which, watch.new):
            if watch.recorded is not None:
                if not self._replay(watch, watch.recorded):
                    return
                # What others ask may slow everything down by now, and what it costs the engine nobody knows.
                if seen.pace > watch.busiest or not watch.comparison.alone:
                    seen = replace(seen, seconds=0.0)
            finding = watch.comparison.new(seen)
        else:
            return
        if finding is not None:
            watch.over = True
            new, old = (ReleaseRef(ref.domain, ref.adapter, number) for number in (watch.new, watch.old))
            self._report(Regression(watch.which, new, old, finding))

    def _watch_stable(self, old: int, new: int, recorded: deque[Seen]) -> Watch:
        """Set the latency threshold from the first records; the others are compared step by step.

        If there are few records, all are compared: no request then counts as slow, but failures still count.
        """
        busiest = max(seen.pace for seen in recorded)
        watch = Watch(STABLE, old, new, self._compare(), recorded, busiest)
        for _ in range(CALIBRATION if len(recorded) >= 2 * CALIBRATION else 0):
            watch.comparison.old(recorded.popleft())
        return watch

    def _replay(self, watch: Watch, recorded: deque[Seen]) -> bool:
        """Compare with the next records; returns False when they are used up, and the comparison ends."""
        if not recorded:
            watch.over = True
            return False
        for _ in range(min(_OLD_PER_NEW, len(recorded))):
            watch.comparison.old(recorded.popleft())
        return True

    def _forget(self, entry: AdapterEntry) -> None:
        """Drop records of releases that are not live: only the live release can become a predecessor."""
        for ref in [ref for ref in self._past if ref.name == str(entry.name) and ref.number != entry.live]:
            del self._past[ref]


def _seen_of(request: Watched, pace: int) -> Seen | None:
    """What a request that has ended shows of its release; None if it shows nothing.

    What its own parameters cause is no evidence. Of one whose client left, only how long the client waited is.
    """
    if request.outcome is RequestOutcome.REFUSED or request.client_caused:
        return None
    if request.outcome is RequestOutcome.LEFT:
        return Seen(False, False, False, request.seconds, pace, request.tenant)
    return Seen(
        request.failed_validation, request.engine_error, request.fell_back, request.seconds, pace, request.tenant
    )
