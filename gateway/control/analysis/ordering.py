"""Outcomes in the order in which their requests came.

A failure often ends sooner than an answer. Whoever counts requests as they end sees the failures of a fresh canary
before any of its answers: for a moment, a release that fails once in a hundred seems to do nothing else. So the
outcome of a request is handed on when every request before it has ended too, or has been waited for long enough.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator

from postil.gateway.control.analysis.comparison import Seen

PATIENCE = 60.0


class Arrival:
    """A request that came, and what was seen of it once it has ended."""

    __slots__ = ("came", "ended", "seen", "which")

    def __init__(self, came: float, which: Hashable) -> None:
        self.came = came
        self.which = which
        self.ended = False
        self.seen: Seen | None = None


class Arrivals:
    """A queue of the requests of both releases, which ``which`` tells apart.

    Times are seconds of a clock that never goes back.

    A request that runs for longer than ``patience`` counts as that slow and as not failed, however it ends later: what
    is seen of a request must not depend on when somebody looks. It should be longer than what counts as slow.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self.patience = patience
        self._waiting: deque[Arrival] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def came(self, now: float, which: Hashable) -> Arrival:
        """A request has come."""
        arrival = Arrival(now, which)
        self._waiting.append(arrival)
        return arrival

    def ended(self, arrival: Arrival, seen: Seen | None) -> None:
        """A request has ended. None if that says nothing of the release; a client that tired of waiting does."""
        if arrival.ended:
            return
        arrival.ended = True
        arrival.seen = self._out_of_patience() if seen is not None and seen.seconds > self.patience else seen

    def ripe(self, now: float) -> Iterator[tuple[Hashable, Seen]]:
        """Those whose turn it is: which release each was for, and what was seen of it."""
        while self._waiting and (self._waiting[0].ended or now - self._waiting[0].came > self.patience):
            first = self._waiting.popleft()
            if not first.ended:
                self.ended(first, self._out_of_patience())
            if first.seen is not None:
                yield first.which, first.seen

    def _out_of_patience(self) -> Seen:
        return Seen(failed_validation=False, engine_error=False, fell_back=False, seconds=self.patience)
