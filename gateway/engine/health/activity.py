"""Tracks whether the engine still sends anything while requests wait for it."""

from __future__ import annotations

import time
from collections.abc import Callable


class EngineActivity:
    """Notes every request to the engine and everything that comes back; ``clock`` is in seconds.

    A request whose client left counts as waiting until something comes back: clients with short timeouts would
    otherwise hide an engine that answers nobody.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting = 0
        self._since: float | None = None
        # How often something came back.
        self.ticks = 0

    @property
    def silent_seconds(self) -> float:
        """For how many seconds requests have waited without any sign of the engine."""
        return 0.0 if self._since is None else self._clock() - self._since

    def asked(self) -> None:
        """Note that a request was sent."""
        self._waiting += 1
        if self._since is None:
            self._since = self._clock()

    def heard(self) -> None:
        """Note that something came back, for any request."""
        self._since = self._clock()
        self.ticks += 1

    def done(self, *, well: bool) -> None:
        """Note that a request has ended, with an answer or without."""
        self._waiting -= 1
        if well and self._waiting == 0:
            self._since = None
