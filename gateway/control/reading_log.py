"""Records who reads people's texts, before they are shown: once an hour for each person and thing."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

from postil.gateway.control.registry_handle import RegistryHandle
from postil.registry.reviews.readings import record_reading

_SECONDS = 3600.0
# Readings that are remembered; the oldest is forgotten, and then recorded again.
_MOST = 10_000


class ReadingLog:
    """The readings of one gateway. With several gateways each records a reading once an hour."""

    def __init__(self, registry: RegistryHandle, clock: Callable[[], float] = time.monotonic) -> None:
        self._registry = registry
        self._clock = clock
        self._recorded: OrderedDict[tuple[str, str, str], float] = OrderedDict()

    async def note(self, action: str, actor: str, **what: str) -> None:
        """Record a reading, unless the same was recorded within the hour. What cannot be recorded is not shown."""
        key, now = (action, actor, str(sorted(what.items()))), self._clock()
        if (last := self._recorded.get(key)) is not None and now - last < _SECONDS:
            return
        database = self._registry.database()
        await asyncio.to_thread(record_reading, database, action, actor=actor, details=dict(what))
        self._recorded[key] = now
        self._recorded.move_to_end(key)
        if len(self._recorded) > _MOST:
            self._recorded.popitem(last=False)
