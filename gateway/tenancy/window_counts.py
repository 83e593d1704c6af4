"""Counts of what was admitted in each window of time, in memory: this gateway's, and those it read of others.

The windows are those of the clock, the same on every gateway, so that counts of several can be added up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from limits.storage import Storage
from limits.storage.base import SlidingWindowCounterSupport

# What is counted (for whom), the seconds of its windows, and the number of the window since 1970.
WindowSlot = tuple[str, int, int]
Clock = Callable[[], float]


class WindowCounts(Storage, SlidingWindowCounterSupport):
    """The storage behind the library's strategies; ``clock`` gives seconds since 1970.

    Methods that the sliding window never calls exist because the library's interface has them.
    """

    STORAGE_SCHEME = None
    base_exceptions = ValueError

    def __init__(self, clock: Clock = time.time) -> None:
        super().__init__()
        self.clock = clock
        self._counts: dict[WindowSlot, int] = {}
        self._fresh: dict[WindowSlot, int] = {}

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count the amount if it fits into the limit; returns whether it did."""
        number, place = divmod(self.clock(), expiry)
        window = int(number)
        faded = self._counts.get((key, expiry, window - 1), 0) * (expiry - place) / expiry
        if int(faded + self._counts.get((key, expiry, window), 0)) + amount > limit:
            return False
        self._add((key, expiry, window), amount)
        return True

    def window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """The last window's count and how long it still counts, and this window's."""
        number, place = divmod(self.clock(), expiry)
        window = int(number)
        left = expiry - place
        return (
            self._counts.get((key, expiry, window - 1), 0),
            left,
            self._counts.get((key, expiry, window), 0),
            left + expiry,
        )

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """As ``window``, under the library's name; the library wraps it, so each call costs more."""
        return self.window(key, expiry)

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count an amount that was used already, whether or not it fits."""
        place = (key, int(expiry), int(self.clock() // expiry))
        self._add(place, amount)
        return self._counts[place]

    def take_fresh(self) -> dict[WindowSlot, int]:
        """The counts of this gateway since the last call."""
        fresh, self._fresh = self._fresh, {}
        return fresh

    def know(self, everywhere: Mapping[WindowSlot, int]) -> None:
        """Take over the counts of all gateways; they include this one's up to the last ``take_fresh``."""
        counts = dict(everywhere)
        for place, amount in self._fresh.items():
            counts[place] = counts.get(place, 0) + amount
        self._counts = counts

    def _add(self, place: WindowSlot, amount: int) -> None:
        self._counts[place] = self._counts.get(place, 0) + amount
        self._fresh[place] = self._fresh.get(place, 0) + amount

    def get(self, key: str) -> int:
        """The sum of all windows under a key."""
        return sum(count for place, count in self._counts.items() if place[0] == key)

    def get_expiry(self, key: str) -> float:
        """The current time: windows end by themselves."""
        return self.clock()

    def check(self) -> bool:
        """Always True: the storage is memory."""
        return True

    def reset(self) -> int | None:
        """Delete all counts."""
        self._counts, self._fresh = {}, {}
        return None

    def clear(self, key: str) -> None:
        """Delete the counts under a key."""
        self._counts = {place: count for place, count in self._counts.items() if place[0] != key}

    def clear_sliding_window(self, key: str, expiry: int) -> None:
        """Delete the counts under a key."""
        self.clear(key)
