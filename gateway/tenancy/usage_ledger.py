"""Collects usage in memory and writes it to the database about once a second, in batches that count once."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from postil.gateway.tenancy.quota import key, parts
from postil.gateway.tenancy.window_counts import WindowCounts, WindowSlot
from postil.registry.accounts import usage
from postil.registry.accounts.usage import Account, Batch, UsageRow, Window
from postil.registry.backoff import Backoff
from postil.registry.db.database import Database

log = logging.getLogger(__name__)
_FLUSH_SECONDS = 1.0
_DAY = 86400
# So often the last batch is tried when the gateway ends, and so long.
_LAST_TRIES, _LAST_SECONDS = 5, 10.0
_BACKOFF = Backoff(0.1, _LAST_SECONDS)
# Whose it is: the day since 1970, the tenant, the domain, the adapter, the release's number, the kind.
Line = tuple[int, str, str, str, int, str]


class UsageLedger:
    """Usage on its way to the database, and windows of limits on their way to the other gateways and back.

    While the database is away everything waits here, added up: as much as there are tenants times releases.
    ``limited`` says whether there is a tenant with limits, so that it matters what other gateways count. ``used`` is
    told of every request: domain, adapter, number, kind, prompt and completion tokens.
    """

    def __init__(
        self,
        database: Callable[[], Database],
        counts: WindowCounts,
        limited: Callable[[], bool] = lambda: True,
        used: Callable[[str, str, int, str, int, int], None] = lambda *_: None,
    ) -> None:
        self._database = database
        self._counts = counts
        self._limited = limited
        self._used = used
        self._writer = uuid.uuid4().hex
        self._batch = Batch(self._writer, 0)
        self._sent = True
        self._lines: dict[Line, list[int]] = {}
        self._flushing = asyncio.Lock()
        self._troubled = False

    def add(
        self,
        tenant: str,
        domain: str,
        adapter: str,
        number: int,
        kind: str,
        prompt: int,
        completion: int,
        uncounted: int = 0,
    ) -> None:
        """Note one request and its tokens; ``uncounted`` is 1 where the engine did not say how many there were."""
        self._used(domain, adapter, number, kind, prompt, completion)
        line = (int(self._counts.clock() // _DAY), tenant, domain, adapter, number, kind)
        counted = self._lines.get(line)
        if counted is None:
            self._lines[line] = [1, uncounted, prompt, completion]
        else:
            counted[0] += 1
            counted[1] += uncounted
            counted[2] += prompt
            counted[3] += completion

    async def run(self) -> None:
        """Store counts, and read those of other gateways, about once a second; until cancelled."""
        while True:
            # A batch on its way is not to be left half-way: ``stop`` waits for it.
            await asyncio.shield(asyncio.create_task(self.flush()))
            await asyncio.sleep(_FLUSH_SECONDS)

    async def flush(self) -> bool:
        """Write what is not in the database yet; returns whether that worked. If not, the next flush tries again."""
        async with self._flushing:
            if self._sent:
                self._batch, self._sent = self._next(), False
            if not (self._batch.used or self._batch.spent or self._limited()):
                self._sent = True
                return True
            try:
                known = await asyncio.to_thread(self._context, self._batch)
            except Exception as error:
                if not self._troubled:
                    log.error("usage cannot be stored (%s); it is kept and tried again", type(error).__name__)
                self._troubled = True
                return False
            self._sent, self._troubled = True, False
            self._counts.know(known)
            return True

    async def stop(self) -> None:
        """Write everything that is not in the database yet, and stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_SECONDS):
                for tried in range(1, _LAST_TRIES + 1):
                    if await self.flush() and not self._lines:
                        return
                    await asyncio.sleep(_BACKOFF.pause(tried))
        log.error("the database does not answer: what was used since it last did is lost")

    def _next(self) -> Batch:
        lines, self._lines = self._lines, {}
        used = {_account(line): UsageRow(*counted) for line, counted in lines.items()}
        spent = {_window(place): amount for place, amount in self._counts.take_fresh().items()}
        return Batch(self._writer, self._batch.number + 1 if used or spent else self._batch.number, used, spent)

    def _context(self, batch: Batch) -> dict[WindowSlot, int]:
        database = self._database()
        if batch.used or batch.spent:
            usage.add(database, batch, self._counts.clock())
        known = usage.spent(database, self._counts.clock())
        return {(key(what, tenant), seconds, n): amount for (tenant, what, seconds, n), amount in known.items()}


def _account(line: Line) -> Account:
    return Account(datetime.fromtimestamp(line[0] * _DAY, UTC).date(), *line[1:])


def _window(place: WindowSlot) -> Window:
    counted, seconds, number = place
    what, tenant = parts(counted)
    return Window(tenant, what, seconds, number)
