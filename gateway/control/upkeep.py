"""What is done now and then by one of the gateways that share a database: old reviews deleted, garbage collected."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.errors import GatewayError
from postil.gateway.threads import finished
from postil.registry.db import leader
from postil.registry.db.tables import utcnow
from postil.registry.errors import RegistryError
from postil.registry.reviews.retention import expire

log = logging.getLogger(__name__)
ACTOR = "postil"
_POLL_SECONDS = 60.0
# Longer than a run takes: if a gateway crashes in the middle of one, others wait this long before they take over.
_LASTS = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Chore:
    """Something to do every so many seconds. ``at_once`` says that it is done at once where it never was."""

    name: str
    seconds: float
    act: Callable[[], Awaitable[object]]
    at_once: bool = True


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
            await self.do_due()
            await asyncio.sleep(_POLL_SECONDS)

    async def do_due(self) -> None:
        """Do once what is due. What cannot be done now is tried again the next time, by any gateway."""
        for chore in self._chores:
            try:
                await self._do(chore)
            except (SQLAlchemyError, RegistryError, GatewayError, OSError) as error:
                log.warning("%s could not be done (%s); trying again", chore.name, type(error).__name__)

    async def _do(self, chore: Chore) -> None:
        """Do a chore if it is due. If that fails or is cancelled, the lease is given back for others to try."""
        try:
            if await finished(asyncio.to_thread(self._take, chore)):
                await chore.act()
                await asyncio.to_thread(self._done, chore)
        except BaseException:
            with suppress(SQLAlchemyError, RegistryError, GatewayError, OSError):  # Without a database it expires.
                await finished(asyncio.to_thread(self._give_back, chore))
            raise

    def _take(self, chore: Chore) -> bool:
        database, now = self._registry.database(), int(self._clock())
        last = leader.position(database, chore.name)
        if last is not None and now - last < chore.seconds:
            return False
        start = 0 if chore.at_once else now
        held = leader.acquire(database, chore.name, self._holder, now=utcnow(), lasts=_LASTS, position=start)
        if held is None:
            return False
        if now - held >= chore.seconds:
            return True
        self._give_back(chore)
        return False

    def _done(self, chore: Chore) -> None:
        database, now = self._registry.database(), int(self._clock())
        leader.renew(database, chore.name, self._holder, now=utcnow(), lasts=_LASTS, position=now)
        self._give_back(chore)

    def _give_back(self, chore: Chore) -> None:
        leader.release(self._registry.database(), chore.name, self._holder)


def chores(
    registry: RegistryHandle, review_days: int, gc_hours: float, collect: Callable[[], Awaitable[object]]
) -> tuple[Chore, ...]:
    """The chores of a gateway: reviews every hour, and ``collect`` every so many hours (0: never)."""

    async def delete_reviews() -> None:
        deleted = await asyncio.to_thread(expire, registry.database(), utcnow(), review_days)
        if deleted:
            log.info("%d reviews were deleted: their time is over", deleted)

    reviews = Chore("deletion of old reviews", 3600.0, delete_reviews)
    return (reviews, Chore("garbage collection", gc_hours * 3600, collect, at_once=False)) if gc_hours else (reviews,)
