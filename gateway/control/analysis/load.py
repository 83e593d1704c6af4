"""How much is asked: a load that slows every release down must not be held against the one that is new."""

from __future__ import annotations

from collections import deque

SECONDS = 10


class Pace:
    """Counts the requests of the last ``SECONDS``: what is put on the engine, whatever the engine makes of it.

    Requests in flight would not do: a release that is slow has more of them, by being slow.
    """

    def __init__(self) -> None:
        self._counts: deque[list[int]] = deque()
        self._total = 0

    def came(self, now: float) -> int:
        """A request has come at ``now`` (seconds of a clock that never goes back); how many have, itself included."""
        self.at(now)
        second = int(now)
        if not self._counts or self._counts[-1][0] != second:
            self._counts.append([second, 0])
        self._counts[-1][1] += 1
        self._total += 1
        return self._total

    def at(self, now: float) -> int:
        """How many have come of late."""
        while self._counts and self._counts[0][0] <= int(now) - SECONDS:
            self._total -= self._counts.popleft()[1]
        return self._total
