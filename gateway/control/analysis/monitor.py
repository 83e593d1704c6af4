"""Watches a canary, or a release that was just made live, beside its predecessor; says when it is worse."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

from postil.gateway.control.analysis.comparison import CALIBRATION, Comparison, Evidence, Seen
from postil.gateway.control.analysis.load import Pace
from postil.gateway.control.analysis.ordering import Arrivals
from postil.gateway.inference.record import RequestOutcome
from postil.gateway.inference.routing.catalog import AdapterEntry
from postil.plugins import ReleaseRef
from postil.registry.releases.channels import CANARY, STABLE

# What is kept of a live release, to compare its successor with when it gets no traffic any more.
_KEPT = 2000
# So many recorded requests of the predecessor are compared with each new one.
_OLD_PER_NEW = 4


class Watched(Protocol):
    """What the monitor sees of a request: which release answers and why that one, and in the end how it went.

    ``arrival`` is the monitor's own, None until it has seen the request come.
    """

    arrival: Any
    failed_validation: bool
    engine_error: bool
    fell_back: bool
    seconds: float
    outcome: RequestOutcome | None

    @property
    def reason(self) -> str:
        """As in ``Route``."""

    @property
    def ref(self) -> ReleaseRef:
        """The release."""


@dataclass(slots=True)
class Watch:
    """A release under watch, the one it is compared with, and the requests recorded of that one, if it has gone.

    ``busiest`` is the highest pace among those: what comes at a higher one may be slow for that reason alone.
    """

    which: str
    old: int
    new: int
    comparison: Comparison
    recorded: deque[Seen] | None = None
    busiest: int = 0
    over: bool = False


@dataclass(frozen=True, slots=True)
class Regression:
    """A release that was found worse than its predecessor, on which channel, and by what evidence."""

    which: str
    new: ReleaseRef
    old: ReleaseRef
    evidence: Evidence


class Monitor:
    """One watch per adapter at most. ``report`` is called once for each release found worse; ``clock`` in seconds."""

    def __init__(
        self,
        report: Callable[[Regression], None],
        compare: Callable[[], Comparison],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._report = report
        self._compare = compare
        self._clock = clock
        self._pace = Pace()
        self._past: dict[ReleaseRef, deque[Seen]] = {}
        self._watches: dict[str, Watch] = {}
        self._arrivals: dict[str, Arrivals] = {}

    def watch(self, name: str) -> Watch | None:
        """What is being watched of an adapter, if anything is."""
        found = self._watches.get(name)
        return None if found is None or found.over else found

    def follow(self, entry: AdapterEntry, before: AdapterEntry | None) -> None:
        """An adapter's channels may have moved: watch what is new on them."""
        name, live, canary = str(entry.name), entry.live, entry.canary
        if live is None:
            return
        known = self._watches.get(name)
        if canary is not None:
            # Another weight is still the same canary, and one that was found worse is not tried again.
            if known is None or (known.which, known.old, known.new) != (CANARY, live, canary.number):
                self._watches[name] = Watch(CANARY, live, canary.number, self._compare())
        elif before is not None and before.live is not None and before.live != live:
            self._watches.pop(name, None)
            recorded = self._past.get(entry.name.release(before.live))
            # Going back is a remedy: nobody wants to be taken forward again to what was left.
            if entry.promoted and recorded:
                self._watches[name] = self._watch_stable(before.live, live, deque(recorded))
        elif known is not None and known.which == CANARY:
            self._watches.pop(name, None)
        self._forget(entry)

    def started(self, request: Watched) -> None:
        """A request is on its way. Only what stable or canary answers counts: nobody chose those by number."""
        if request.reason in (STABLE, CANARY):
            ref = request.ref
            arrivals, now = self._arrivals.setdefault(ref.name, Arrivals()), self._clock()
            request.arrival = arrivals.came(now, (request.reason, ref, self._pace.came(now)))

    def finished(self, request: Watched) -> None:
        """It has ended. What was seen is counted in the order in which requests came: failures are often faster."""
        if request.arrival is None:
            return
        arrivals, now = self._arrivals[request.ref.name], self._clock()
        pace = max(request.arrival.which[2], self._pace.at(now))
        seen = Seen(request.failed_validation, request.engine_error, request.fell_back, request.seconds, pace)
        arrivals.ended(request.arrival, None if request.outcome is RequestOutcome.REFUSED else seen)
        for which, ripe in arrivals.ripe(now):
            why, ref, pace = cast(tuple[str, ReleaseRef, int], which)
            # One that was not waited for to its end has no pace yet.
            self._seen(why, ref, ripe if ripe.pace >= pace else replace(ripe, pace=pace))

    def _seen(self, why: str, ref: ReleaseRef, seen: Seen) -> None:
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
                if seen.pace > watch.busiest:
                    seen = replace(seen, seconds=0.0)
            finding = watch.comparison.new(seen)
        else:
            return
        if finding is not None:
            watch.over = True
            new, old = (ReleaseRef(ref.domain, ref.adapter, number) for number in (watch.new, watch.old))
            self._report(Regression(watch.which, new, old, finding))

    def _watch_stable(self, old: int, new: int, recorded: deque[Seen]) -> Watch:
        """The first of what was recorded says what is slow; the rest is compared bit by bit.

        Of few records all are compared: then nothing is called slow, but a failure is still a failure.
        """
        busiest = max(seen.pace for seen in recorded)
        watch = Watch(STABLE, old, new, self._compare(), recorded, busiest)
        for _ in range(CALIBRATION if len(recorded) >= 2 * CALIBRATION else 0):
            watch.comparison.old(recorded.popleft())
        return watch

    def _replay(self, watch: Watch, recorded: deque[Seen]) -> bool:
        """Compare with the next of what was recorded; False when there is no more, and the watch ends."""
        if not recorded:
            watch.over = True
            return False
        for _ in range(min(_OLD_PER_NEW, len(recorded))):
            watch.comparison.old(recorded.popleft())
        return True

    def _forget(self, entry: AdapterEntry) -> None:
        """Only the live release can become a predecessor."""
        for ref in [ref for ref in self._past if ref.name == str(entry.name) and ref.number != entry.live]:
            del self._past[ref]
