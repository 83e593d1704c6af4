"""Measures load, so that a load that slows every release down is not counted against the new one."""

from __future__ import annotations

from collections import deque

SECONDS = 10


class Pace:
    """Counts the requests of the last ``SECONDS``: the load on the engine, however fast it answers.

    Counting requests in flight would be biased: a slow release has more of them because it is slow.
    """

    def __init__(self) -> None:
        self._counts: deque[list[int]] = deque()
        self._total = 0

    def came(self, now: float) -> int:
        """Add a request that arrived at ``now`` (seconds, monotonic); return the count including it."""
        self.at(now)
        second = int(now)
        if not self._counts or self._counts[-1][0] != second:
            self._counts.append([second, 0])
        self._counts[-1][1] += 1
        self._total += 1
        return self._total

    def at(self, now: float) -> int:
        """Return the number of recent requests at this time."""
        while self._counts and self._counts[0][0] <= int(now) - SECONDS:
            self._total -= self._counts.popleft()[1]
        return self._total
