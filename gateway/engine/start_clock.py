"""When an engine that starts will be ready: as long after its start as the last one took."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

# What is said where the engine is ready, or should have been by now: it may be a hiccup, or take a little longer.
SOON_SECONDS = 5
# Clients wait no longer than this for what they were told, and come again by clocks of their own.
MOST_SECONDS = 60
# Of an engine that was never ready here nobody knows better.
_FIRST_START_SECONDS = 30.0


class StartClock:
    """Notes how long the last start took. ``ready_by`` is by ``time.monotonic``, which all processes share."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._took = _FIRST_START_SECONDS
        self._began: float | None = None

    @property
    def ready_by(self) -> float | None:
        """When the engine should be ready; None while it is."""
        return None if self._began is None else self._began + self._took

    def starts(self, after: float = 0.0) -> None:
        """Note that it starts, or will after so many seconds."""
        self._began = self._clock() + after

    def is_ready(self) -> None:
        """Note that it is ready."""
        if self._began is not None:
            self._took, self._began = self._clock() - self._began, None


def retry_after(ready_by: float | None, now: float) -> int:
    """How many seconds a client should wait before it asks again."""
    if ready_by is None or ready_by <= now:
        return SOON_SECONDS
    return max(1, math.ceil(min(ready_by - now, MOST_SECONDS)))
