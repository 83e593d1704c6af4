"""Denied attempts on both APIs: the first is stored at once, a flood as one batch a minute with its counts.

Nothing of what was sent is kept: who tried (the owner of a known key, else nobody), from where, which route, how often.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from postil.registry.accounts import denied_attempts as stored
from postil.registry.accounts.denied_attempts import NOBODY
from postil.registry.db.database import Database
from postil.registry.db.tables import utcnow

log = logging.getLogger(__name__)
# So many kinds are told apart in one minute: of each owner of a key, and of strangers on each API. A flood hides no
# owner's attempts but its own. What comes beyond is counted as one kind.
KINDS = 64
SEVERAL = "several"
_PAUSE_SECONDS = 60.0
# A network of IPv6 is one origin: whoever has one has all its 2^64 addresses.
_IPV6_PREFIX = 64


@dataclass(frozen=True, slots=True)
class DeniedAttempt:
    """One kind of attempt: the key's owner, its id, the origin, the route (``POST /api/v1/gc``) and the status."""

    owner: str
    key: str | None
    origin: str
    route: str
    status: int


class DeniedSink(Protocol):
    """Takes denied attempts; never waits."""

    def note(self, attempt: DeniedAttempt) -> None:
        """Count an attempt."""


@dataclass(slots=True)
class _Tally:
    first_at: datetime
    last_at: datetime
    times: int = 0


class DeniedAttempts:
    """Counts denied attempts until they are stored; ``keep`` rows are. ``database`` raises while there is none."""

    def __init__(
        self, database: Callable[[], Database], *, keep: int = 10_000, pause_seconds: float = _PAUSE_SECONDS
    ) -> None:
        self._database = database
        self._keep = keep
        self._pause_seconds = pause_seconds
        self._tallies: dict[tuple[str, str], dict[DeniedAttempt, _Tally]] = {}
        self._news = asyncio.Event()

    def note(self, attempt: DeniedAttempt) -> None:
        """Count an attempt."""
        now = utcnow()
        self._add(attempt, _Tally(now, now, 1))

    async def run(self) -> None:
        """Store the counted attempts, once a minute at most; until cancelled."""
        try:
            while True:
                await self._news.wait()
                await self.flush()
                await asyncio.sleep(self._pause_seconds)
        finally:
            await self.flush()

    async def flush(self) -> None:
        """Store what was counted so far."""
        self._news.clear()
        taken, self._tallies = self._tallies, {}
        counted = [pair for tallies in taken.values() for pair in tallies.items()]
        if not counted:
            return
        try:
            rows = [_row(*pair) for pair in counted]
            await asyncio.to_thread(stored.record, self._database(), rows, keep=self._keep)
        except Exception as error:  # The database may go at any moment; what was counted waits for the next minute.
            log.warning("denied attempts are not stored yet: %s", type(error).__name__)
            for attempt, tally in counted:
                self._add(attempt, tally)

    def _add(self, attempt: DeniedAttempt, more: _Tally) -> None:
        tallies = self._tallies.setdefault(_group(attempt), {})
        if attempt not in tallies and len(tallies) >= KINDS:
            attempt = _others(attempt)
        tally = tallies.setdefault(attempt, _Tally(more.first_at, more.last_at))
        tally.first_at, tally.last_at = min(tally.first_at, more.first_at), max(tally.last_at, more.last_at)
        tally.times += more.times
        self._news.set()


def origin_of(host: str) -> str:
    """Return an address as denied attempts are counted by: IPv6 by its /64 network."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host[:64]
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False))


def _group(attempt: DeniedAttempt) -> tuple[str, str]:
    """Return what attempts are told apart within: the owner; of strangers, the API."""
    return attempt.owner, "" if attempt.owner != NOBODY else _api(attempt)


def _others(attempt: DeniedAttempt) -> DeniedAttempt:
    """Return the kind that counts what is too much to be told apart."""
    key = None if attempt.owner == NOBODY else SEVERAL
    return DeniedAttempt(attempt.owner, key, SEVERAL, f"{SEVERAL} of {_api(attempt)}", attempt.status)


def _api(attempt: DeniedAttempt) -> str:
    if " /console" in attempt.route:
        return "/console"
    return "/api/v1" if "/api/" in attempt.route else "/v1"


def _row(attempt: DeniedAttempt, tally: _Tally) -> stored.DeniedAttempts:
    return stored.DeniedAttempts(
        attempt.owner,
        attempt.key,
        attempt.origin,
        attempt.route,
        attempt.status,
        tally.first_at,
        tally.last_at,
        tally.times,
    )
