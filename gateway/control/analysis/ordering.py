"""Puts outcomes of requests into order of arrival.

A failure often ends sooner than an answer. Counting requests as they end would count a new canary's failures before its
answers: for a moment, a release that fails once in a hundred would seem to fail always. So the outcome of a request is
passed on only when all earlier requests have ended or have been waited for long enough.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator

from postil.gateway.control.analysis.comparison import Seen

PATIENCE = 60.0


class Arrival:
    """A request that arrived, and its outcome once it has ended."""

    __slots__ = ("came", "ended", "seen", "which")

    def __init__(self, came: float, which: Hashable) -> None:
        self.came = came
        self.which = which
        self.ended = False
        self.seen: Seen | None = None


class Arrivals:
    """A queue of requests of both releases, told apart by ``which``.

    Times are in seconds of a monotonic clock.

    A request that runs longer than ``patience`` counts as that slow and as not failed, whatever happens later: its
    outcome must not depend on when it is read. ``patience`` should exceed the latency that counts as slow.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self.patience = patience
        self._waiting: deque[Arrival] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def came(self, now: float, which: Hashable) -> Arrival:
        """Add a request that arrives."""
        arrival = Arrival(now, which)
        self._waiting.append(arrival)
        return arrival

    def ended(self, arrival: Arrival, seen: Seen | None) -> None:
        """Note a request's outcome; None if it says nothing about the release. A client that gave up waiting counts."""
        if arrival.ended:
            return
        arrival.ended = True
        arrival.seen = self._out_of_patience() if seen is not None and seen.seconds > self.patience else seen

    def ripe(self, now: float) -> Iterator[tuple[Hashable, Seen]]:
        """Return the requests that are due, each with its ``which`` and its outcome."""
        while self._waiting and (self._waiting[0].ended or now - self._waiting[0].came > self.patience):
            first = self._waiting.popleft()
            if not first.ended:
                self.ended(first, self._out_of_patience())
            if first.seen is not None:
                yield first.which, first.seen

    def _out_of_patience(self) -> Seen:
        return Seen(failed_validation=False, engine_error=False, fell_back=False, seconds=self.patience)
