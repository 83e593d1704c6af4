"""Whether anything still comes out of the engine while somebody waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable


class EngineActivity:
    """Told of every request to the engine and of everything that comes back; ``clock`` is in seconds.

    A request that its client gave up on stays a reason to wonder until something is heard: clients who leave early
    would else hide for ever that nobody gets an answer.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting = 0
        self._since: float | None = None
        # How often something came back.
        self.ticks = 0

    @property
    def silent_seconds(self) -> float:
        """For how long something has been asked and nothing has come."""
        return 0.0 if self._since is None else self._clock() - self._since

    def asked(self) -> None:
        """A request is on its way."""
        self._waiting += 1
        if self._since is None:
            self._since = self._clock()

    def heard(self) -> None:
        """Something came back, of whichever request."""
        self._since = self._clock()
        self.ticks += 1

    def done(self, *, well: bool) -> None:
        """A request has ended, with an answer or without."""
        self._waiting -= 1
        if well and self._waiting == 0:
            self._since = None
