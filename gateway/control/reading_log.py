"""Records who reads people's texts, before they are shown: once an hour for each person and thing."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

from postil.gateway.control.registry_handle import RegistryHandle
from postil.registry.reviews.readings import record_export, record_reading

_SECONDS = 3600.0
# Readings that are remembered; the oldest is forgotten, and then recorded again.
_MOST = 10_000


class ReadingLog:
    """The readings of one gateway. With several gateways each records a reading once an hour."""

    def __init__(self, registry: RegistryHandle, clock: Callable[[], float] = time.monotonic) -> None:
        self._registry = registry
        self._clock = clock
        self._recorded: OrderedDict[tuple[str, ...], float] = OrderedDict()

    async def note_review(self, actor: str, review: str) -> None:
        """Record that somebody reads a review. What cannot be recorded is not shown."""
        await self._note(record_reading, actor, review=review)

    async def note_export(self, actor: str, adapter: str) -> None:
        """Record that somebody takes the decided reviews of an adapter as examples."""
        await self._note(record_export, actor, adapter=adapter)

    async def _note(self, record: Callable[..., None], actor: str, **what: str) -> None:
        """Record a reading, unless the same was recorded within the hour."""
        key, now = (record.__name__, actor, *what.values()), self._clock()
        if (last := self._recorded.get(key)) is not None and now - last < _SECONDS:
            return
        database = self._registry.database()
        await asyncio.to_thread(record, database, actor=actor, **what)
        self._recorded[key] = now
        self._recorded.move_to_end(key)
        if len(self._recorded) > _MOST:
            self._recorded.popitem(last=False)
