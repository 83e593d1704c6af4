"""How many different grammars the engine compiles for a tenant in a minute. In memory only."""

from __future__ import annotations

import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from postil.gateway.errors import RequestsLimitedError

_SECONDS = 60.0
# The engine keeps what it has compiled; so many of each tenant's are taken to be among that.
_REMEMBERED = 256
_TENANTS = 4096


@dataclass(slots=True)
class _Used:
    """One tenant's grammars: those it has sent before, and when it sent new ones."""

    known: OrderedDict[str, None] = field(default_factory=OrderedDict)
    times: deque[float] = field(default_factory=deque)


class GrammarBudget:
    """Lets each tenant have ``per_minute`` new grammars compiled in a minute; ``clock`` is in seconds."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._tenants: OrderedDict[str, _Used] = OrderedDict()

    def take(self, tenant: str, digest: str) -> None:
        """Count a grammar; one that the tenant has sent before is free. Raises RequestsLimitedError."""
        used = self._tenants.setdefault(tenant, _Used())
        self._tenants.move_to_end(tenant)
        if len(self._tenants) > _TENANTS:
            self._tenants.popitem(last=False)
        if digest in used.known:
            used.known.move_to_end(digest)
            return
        now = self._clock()
        while used.times and used.times[0] <= now - _SECONDS:
            used.times.popleft()
        if len(used.times) >= self._per_minute:
            raise RequestsLimitedError(
                f"at most {self._per_minute} new schemas or grammars a minute are compiled for a tenant; send one that"
                " was sent before, or wait",
                retry_after=math.ceil(used.times[0] + _SECONDS - now),
            )
        used.times.append(now)
        used.known[digest] = None
        if len(used.known) > _REMEMBERED:
            used.known.popitem(last=False)
