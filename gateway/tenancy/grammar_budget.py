"""For how long the engine compiles grammars for a tenant in a minute. In memory only."""

from __future__ import annotations

import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from postil.gateway.errors import RequestsLimitedError

_SECONDS = 60
# The engine keeps what it has compiled, but in one cache for all: few of each tenant's are taken to be there.
_REMEMBERED = 8
# One that is there has to be checked and found. It counts too, so that those who ask for it in a loop are limited.
_REPEATED = 0.05
_TENANTS = 4096


@dataclass(slots=True)
class _Used:
    """One tenant's grammars: those it has sent last, and what was compiled in each second of the last minute."""

    known: OrderedDict[str, None] = field(default_factory=OrderedDict)
    seconds: deque[tuple[int, float]] = field(default_factory=deque)
    total: float = 0.0

    def forget(self, until: int) -> None:
        """Forget what was compiled up to a second."""
        while self.seconds and self.seconds[0][0] <= until:
            self.total -= self.seconds.popleft()[1]
        if not self.seconds:
            self.total = 0.0

    def add(self, second: int, milliseconds: float) -> None:
        self.total += milliseconds
        if self.seconds and self.seconds[-1][0] == second:
            milliseconds += self.seconds.pop()[1]
        self.seconds.append((second, milliseconds))

    def free_at(self, most: float) -> int:
        """The second that has to be forgotten for the total to be no more than ``most``, or the last one."""
        left = self.total
        for second, milliseconds in self.seconds:
            left -= milliseconds
            if left <= most:
                return second
        return self.seconds[-1][0]


class GrammarBudget:
    """Has grammars compiled for each tenant for ``seconds_per_minute``, as estimated; ``clock`` is in seconds."""

    def __init__(self, seconds_per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = seconds_per_minute
        self._clock = clock
        self._tenants: OrderedDict[str, _Used] = OrderedDict()

    def take(self, tenant: str, digest: str, milliseconds: float) -> None:
        """Count a grammar that takes so long; a repeat of one of the last few counts a twentieth of that.

        Whoever has used nothing yet gets one, however long it takes. Raises RequestsLimitedError.
        """
        used = self._tenants.setdefault(tenant, _Used())
        self._tenants.move_to_end(tenant)
        if len(self._tenants) > _TENANTS:
            self._tenants.popitem(last=False)
        if digest in used.known:
            milliseconds *= _REPEATED
        now = self._clock()
        used.forget(math.floor(now) - _SECONDS)
        room = self._per_minute * 1000 - milliseconds
        if used.seconds and used.total > room:
            raise RequestsLimitedError(
                f"schemas and grammars of a tenant are compiled for {self._per_minute} seconds a minute, as estimated,"
                " and these are used; send simpler ones, or one that was sent just before, or wait",
                retry_after=max(1, math.ceil(used.free_at(room) + _SECONDS - now)),
            )
        used.add(math.floor(now), milliseconds)
        used.known[digest] = None
        used.known.move_to_end(digest)
        if len(used.known) > _REMEMBERED:
            used.known.popitem(last=False)
