"""Refused attempts on the admin API, for the log: the first at once, a flood as one event a minute with its count.

Nothing of what was sent is kept: who tried (the owner of a known key, else nobody), from where, which route, how often.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass

from postil.registry.accounts import denied_attempts as refused
from postil.registry.accounts.denied_attempts import DeniedAttemptRow
from postil.registry.db.database import Database

log = logging.getLogger(__name__)
NOBODY = "nobody"
# So many kinds are told apart in one minute, of known keys and of unknown ones each: a flood from anywhere hides nobody
# who has a key. What comes beyond is counted as one.
KINDS = 16
_PAUSE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class DeniedAttempt:
    """One kind of attempt: the key's owner, the origin, the route (``POST /api/v1/gc``) and the status."""

    owner: str
    key: str | None
    origin: str
    route: str
    status: int


_OTHERS = {
    False: DeniedAttempt(NOBODY, None, "several", "several", 401),
    True: DeniedAttempt("several", "several", "several", "several", 403),
}


class DeniedAttempts:
    """Counts denied attempts until they are in the log. ``database`` raises while there is none."""

    def __init__(self, database: Callable[[], Database], *, pause_seconds: float = _PAUSE_SECONDS) -> None:
        self._database = database
        self._pause_seconds = pause_seconds
        self._counts: Counter[DeniedAttempt] = Counter()
        self._news = asyncio.Event()

    def note(self, refusal: DeniedAttempt, times: int = 1) -> None:
        """Count an attempt."""
        if refusal not in self._counts and sum(_known(each) == _known(refusal) for each in self._counts) >= KINDS:
            refusal = _OTHERS[_known(refusal)]
        self._counts[refusal] += times
        self._news.set()

    async def run(self) -> None:
        """Write the counted attempts to the log, once a minute at most; until cancelled."""
        try:
            while True:
                await self._news.wait()
                await self._write()
                await asyncio.sleep(self._pause_seconds)
        finally:
            await self._write()

    async def _write(self) -> None:
        self._news.clear()
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            await asyncio.to_thread(refused.record, self._database(), [_event(*row) for row in counts.items()])
        except Exception as error:  # The database may go at any moment; what was counted waits for the next minute.
            log.warning("refused attempts on the admin API are not in the log yet: %s", type(error).__name__)
            for refusal, times in counts.items():
                self.note(refusal, times)


def _known(refusal: DeniedAttempt) -> bool:
    return refusal.owner != NOBODY


def _event(refusal: DeniedAttempt, times: int) -> DeniedAttemptRow:
    told = asdict(refusal)
    return DeniedAttemptRow(told.pop("owner"), {**told, "times": times})
