"""Collects what requests show of releases, by tenant, and writes the sums to the database about once a second."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import timedelta

from postil.gateway.control.analysis.comparison import Seen
from postil.plugins import ReleaseRef
from postil.registry.db.database import Database
from postil.registry.db.tables import utcnow
from postil.registry.releases import evidence
from postil.registry.releases.evidence import SIGNALS, Batch, Shown, Subject

log = logging.getLogger(__name__)
_FLUSH_SECONDS = 1.0
_LAST_SECONDS = 10.0
# How often it is read who uses an adapter, counted in flushes, and who counts as a user.
_READ_EVERY = 30
_RECENT = timedelta(days=7)


class EvidenceLedger:
    """Sums on their way to the database. While it is away they wait here, added up.

    ``on_users`` is told the tenants of each adapter from time to time, those of other gateways included.
    """

    def __init__(self, database: Callable[[], Database]) -> None:
        self.on_users: Callable[[Mapping[str, Iterable[str]]], None] = lambda users: None
        self._database = database
        self._batch = Batch(uuid.uuid4().hex, 0)
        self._sent = True
        self._sums: dict[tuple[ReleaseRef, str], list[int]] = {}
        self._flushing = asyncio.Lock()
        self._troubled = False

    def add(self, ref: ReleaseRef, seen: Seen) -> None:
        """Note one request of a tenant to a release; the admin is none."""
        if not seen.tenant:
            return
        sums = self._sums.get((ref, seen.tenant))
        if sums is None:
            sums = self._sums[ref, seen.tenant] = [0, 0, 0, 0]
        sums[0] += 1
        sums[1] += seen.failed_validation
        sums[2] += seen.engine_error
        sums[3] += seen.fell_back

    async def run(self) -> None:
        """Store sums about once a second, and read who uses what now and then; until cancelled."""
        flushes = 0
        while True:
            # A batch on its way is not to be left half-way: ``stop`` waits for it.
            await asyncio.shield(asyncio.create_task(self.flush()))
            if flushes % _READ_EVERY == 0:
                await self.read_users()
            flushes += 1
            await asyncio.sleep(_FLUSH_SECONDS)

    async def flush(self) -> bool:
        """Write what is not in the database yet; returns whether that worked. If not, the next flush tries again."""
        async with self._flushing:
            if self._sent:
                self._batch, self._sent = self._next(), False
            if not self._batch.shown:
                self._sent = True
                return True
            try:
                await asyncio.to_thread(lambda: evidence.add(self._database(), self._batch))
            except Exception as error:
                if not self._troubled:
                    log.error("evidence cannot be stored (%s); it is kept and tried again", type(error).__name__)
                self._troubled = True
                return False
            self._sent, self._troubled = True, False
            return True

    async def read_users(self) -> None:
        """Read who has asked which adapter lately. Without a database, what was known stays."""
        try:
            self.on_users(await asyncio.to_thread(lambda: evidence.users(self._database(), utcnow() - _RECENT)))
        except Exception as error:
            log.warning("who uses which adapter cannot be read (%s); it is tried again", type(error).__name__)

    async def stop(self) -> None:
        """Write everything that is not in the database yet, and stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_SECONDS):
                # The first may only retry a batch from before.
                if await self.flush() and await self.flush():
                    return
        log.error("the database does not answer: the evidence of the last moments is lost")

    def _next(self) -> Batch:
        sums, self._sums = self._sums, {}
        shown = {
            Subject(*_parts(ref), tenant, signal): Shown(seen, count)
            for (ref, tenant), (seen, *bad) in sums.items()
            for signal, count in zip(SIGNALS, bad, strict=True)
        }
        return Batch(self._batch.writer, self._batch.number + bool(shown), shown)


def _parts(ref: ReleaseRef) -> tuple[str, str, int]:
    return ref.domain, ref.adapter, ref.number
