"""What was let through in each window of time: in memory, this gateway's own and what it knows of the others'.

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

    What it asks of a storage and the sliding window never uses is there for its contract alone.
    """

    STORAGE_SCHEME = None
    base_exceptions = ValueError

    def __init__(self, clock: Clock = time.time) -> None:
        super().__init__()
        self.clock = clock
        self._counts: dict[WindowSlot, int] = {}
        self._fresh: dict[WindowSlot, int] = {}

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count what still fits into the limit; whether it did."""
        number, place = divmod(self.clock(), expiry)
        window = int(number)
        faded = self._counts.get((key, expiry, window - 1), 0) * (expiry - place) / expiry
        if int(faded + self._counts.get((key, expiry, window), 0)) + amount > limit:
            return False
        self._add((key, expiry, window), amount)
        return True

    def window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """The last window's count and for how long it still counts, and this window's."""
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
        """The same; the library wraps what is called like this, and each call costs more."""
        return self.window(key, expiry)

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count what has been used already, whether or not it fits."""
        place = (key, int(expiry), int(self.clock() // expiry))
        self._add(place, amount)
        return self._counts[place]

    def take_fresh(self) -> dict[WindowSlot, int]:
        """What was counted here since the last time."""
        fresh, self._fresh = self._fresh, {}
        return fresh

    def know(self, everywhere: Mapping[WindowSlot, int]) -> None:
        """Go by what was counted on all gateways, this one's included up to the last ``take_fresh``."""
        counts = dict(everywhere)
        for place, amount in self._fresh.items():
            counts[place] = counts.get(place, 0) + amount
        self._counts = counts

    def _add(self, place: WindowSlot, amount: int) -> None:
        self._counts[place] = self._counts.get(place, 0) + amount
        self._fresh[place] = self._fresh.get(place, 0) + amount

    def get(self, key: str) -> int:
        """What is counted under a key in all windows."""
        return sum(count for place, count in self._counts.items() if place[0] == key)

    def get_expiry(self, key: str) -> float:
        """Nothing is counted but in windows, which have ends of their own."""
        return self.clock()

    def check(self) -> bool:
        """Memory is always there."""
        return True

    def reset(self) -> int | None:
        """Forget everything."""
        self._counts, self._fresh = {}, {}
        return None

    def clear(self, key: str) -> None:
        """Forget what is counted under a key."""
        self._counts = {place: count for place, count in self._counts.items() if place[0] != key}

    def clear_sliding_window(self, key: str, expiry: int) -> None:
        """Forget what is counted under a key."""
        self.clear(key)
