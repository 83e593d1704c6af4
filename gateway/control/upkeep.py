"""What is done now and then by one of the gateways that share a database: old reviews deleted, garbage collected."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.errors import EngineUnavailableError
from postil.registry.db import leader
from postil.registry.db.tables import utcnow
from postil.registry.errors import RegistryError
from postil.registry.reviews.retention import expire

log = logging.getLogger(__name__)
ACTOR = "postil"
_LOOK_SECONDS = 60.0
# Longer than a run takes: if a gateway crashes in the middle of one, others wait this long before they take over.
_LASTS = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Chore:
    """Something to do every so many seconds. ``first`` says that it is done at once where it never was."""

    name: str
    seconds: float
    act: Callable[[], Awaitable[object]]
    first: bool = True


class Upkeep:
    """Does chores. When each was done last stands with its lease, so that a restart does not do it again."""

    def __init__(
        self, registry: RegistryHandle, chores: tuple[Chore, ...], clock: Callable[[], float] = time.time
    ) -> None:
        self._registry = registry
        self._chores = chores
        self._clock = clock
        self._holder = uuid.uuid4().hex

    async def run(self) -> None:
        """Do what is due, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_LOOK_SECONDS)

    async def look(self) -> None:
        """Do once what is due. Without a database it is tried again at the next look."""
        for chore in self._chores:
            try:
                if await asyncio.to_thread(self._take, chore):
                    await chore.act()
                    await asyncio.to_thread(self._done, chore)
            except (SQLAlchemyError, RegistryError, EngineUnavailableError, OSError) as error:
                log.warning("%s could not be done (%s); trying again", chore.name, type(error).__name__)

    def _take(self, chore: Chore) -> bool:
        database, now = self._registry.database(), int(self._clock())
        last = leader.position(database, chore.name)
        if last is not None and now - last < chore.seconds:
            return False
        start = 0 if chore.first else now
        held = leader.acquire(database, chore.name, self._holder, now=utcnow(), lasts=_LASTS, position=start)
        if held is None:
            return False
        if now - held >= chore.seconds:
            return True
        leader.release(database, chore.name, self._holder)
        return False

    def _done(self, chore: Chore) -> None:
        database, now = self._registry.database(), int(self._clock())
        leader.renew(database, chore.name, self._holder, now=utcnow(), lasts=_LASTS, position=now)
        leader.release(database, chore.name, self._holder)


def chores(
    registry: RegistryHandle, review_days: int, gc_hours: float, collect: Callable[[], Awaitable[object]]
) -> tuple[Chore, ...]:
    """The chores of a gateway: reviews every hour, and ``collect`` every so many hours (0: never)."""

    async def delete_reviews() -> None:
        deleted = await asyncio.to_thread(expire, registry.database(), utcnow(), review_days)
        if deleted:
            log.info("%d reviews were deleted: their time is over", deleted)

    reviews = Chore("deletion of old reviews", 3600.0, delete_reviews)
    return (reviews, Chore("garbage collection", gc_hours * 3600, collect, first=False)) if gc_hours else (reviews,)
