"""Watches a canary, or a release that was just made live, beside its predecessor; says when it is worse."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from postil.gateway.catalog import Entry
from postil.gateway.health.sequential import Comparison, Finding, Seen
from postil.gateway.trace import Trace
from postil.plugins import ReleaseRef
from postil.registry.channels import CANARY, STABLE

# What is kept of a live release, to compare its successor with when it gets no traffic any more.
_KEPT = 2000
# So many recorded requests of the predecessor are compared with each new one.
_OLD_PER_NEW = 4


@dataclass(slots=True)
class Watch:
    """A release under watch, the one it is compared with, and the requests recorded of that one, if it has gone."""

    which: str
    old: int
    new: int
    comparison: Comparison
    recorded: deque[Seen] | None = None
    over: bool = False


@dataclass(frozen=True, slots=True)
class Alarm:
    """A release that was found worse than its predecessor, on which channel, and by what evidence."""

    which: str
    new: ReleaseRef
    old: ReleaseRef
    finding: Finding


class Monitor:
    """One watch per adapter at most. ``alarm`` is called once for each release found worse."""

    def __init__(self, alarm: Callable[[Alarm], None], compare: Callable[[], Comparison]) -> None:
        self._alarm = alarm
        self._compare = compare
        self._past: dict[ReleaseRef, deque[Seen]] = {}
        self._watches: dict[str, Watch] = {}

    def watch(self, name: str) -> Watch | None:
        """What is being watched of an adapter, if anything is."""
        found = self._watches.get(name)
        return None if found is None or found.over else found

    def follow(self, entry: Entry, before: Entry | None) -> None:
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
                self._watches[name] = Watch(STABLE, before.live, live, self._compare(), deque(recorded))
        elif known is not None and known.which == CANARY:
            self._watches.pop(name, None)
        self._forget(entry)

    def ended(self, trace: Trace) -> None:
        """One more request of a release. Only what stable or canary answered counts: nobody chose those by number."""
        why, ref = trace.route.why, trace.route.release.ref
        if why not in (STABLE, CANARY):
            return
        seen = Seen(trace.failed_validation, trace.engine_error, trace.fell_back, trace.seconds)
        if why == STABLE:
            self._past.setdefault(ref, deque(maxlen=_KEPT)).append(seen)
        watch = self.watch(ref.name)
        if watch is not None:
            self._compared(watch, why, ref, seen)

    def _compared(self, watch: Watch, why: str, ref: ReleaseRef, seen: Seen) -> None:
        if (why, ref.number) == (STABLE, watch.old) and watch.recorded is None:
            finding = watch.comparison.old(seen)
        elif (why, ref.number) == (watch.which, watch.new):
            if watch.recorded is not None and not self._replay(watch, watch.recorded):
                return
            finding = watch.comparison.new(seen)
        else:
            return
        if finding is not None:
            watch.over = True
            new, old = (ReleaseRef(ref.domain, ref.adapter, number) for number in (watch.new, watch.old))
            self._alarm(Alarm(watch.which, new, old, finding))

    def _replay(self, watch: Watch, recorded: deque[Seen]) -> bool:
        """Compare with the next of what was recorded; False when there is no more, and the watch ends."""
        if not recorded:
            watch.over = True
            return False
        for _ in range(min(_OLD_PER_NEW, len(recorded))):
            watch.comparison.old(recorded.popleft())
        return True

    def _forget(self, entry: Entry) -> None:
        """Only the live release can become a predecessor."""
        for ref in [ref for ref in self._past if ref.name == str(entry.name) and ref.number != entry.live]:
            del self._past[ref]
