"""Calls listeners for every event; of the gateways on one database only one, the leader, does it at a time."""

from __future__ import annotations

import asyncio
import logging
import uuid
from contextlib import suppress
from datetime import timedelta

from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.inference.routing.extensions import Extensions
from postil.plugins import Notification
from postil.registry.db import leader
from postil.registry.db.audit_chain import details_of
from postil.registry.db.tables import Event, utcnow

log = logging.getLogger(__name__)
_LEASE = "listeners"
_LASTS = timedelta(seconds=15)
_RENEW_SECONDS = 5.0
# How often a gateway that is not the leader checks whether the leader has handled the events it knows of.
_LOOK_SECONDS = 2.0
_CHUNK = 500


class Notifier:
    """The listeners of one gateway. They receive each event at least once, even if a gateway crashes."""

    def __init__(self, registry: RegistryHandle, extensions: Extensions) -> None:
        self._registry = registry
        self._extensions = extensions
        self._holder = uuid.uuid4().hex
        self._leads = False

    async def run(self, news: asyncio.Event) -> None:
        """Send all new events to the listeners, until cancelled."""
        try:
            while True:
                news.clear()
                done = await self._tell_all()
                with suppress(TimeoutError):
                    async with asyncio.timeout(None if done else _LOOK_SECONDS):
                        await news.wait()
        finally:
            if self._leads:
                with suppress(Exception):  # Without a database, the lease expires by itself.
                    await asyncio.to_thread(leader.release, self._registry.database(), _LEASE, self._holder)

    async def _tell_all(self) -> bool:
        """Return whether all events have been sent, by this gateway or by another."""
        try:
            if await asyncio.to_thread(self._is_all_told):
                return True
            position = await asyncio.to_thread(self._acquire)
            self._leads = position is not None
            while self._leads:
                assert position is not None, "who leads has a position"
                events = await asyncio.to_thread(self._registry.get().events_after, position, _CHUNK)
                if not events:
                    return True
                for event in events:
                    self._leads = await self._tell(event)
                    if not self._leads:
                        break
                    position = event.sequence
        except Exception:  # The database may fail at any time.
            log.exception("events could not be sent to the listeners; trying again")
        return False

    async def _tell(self, event: Event) -> bool:
        """Send an event to every listener, however long it takes; return whether this gateway is still the leader."""
        telling = asyncio.create_task(self._extensions.tell(_notification(event)))
        try:
            while not (await asyncio.wait({telling}, timeout=_RENEW_SECONDS))[0]:
                await asyncio.to_thread(self._renew, event.sequence - 1)
        finally:
            telling.cancel()
        return await asyncio.to_thread(self._renew, event.sequence)

    def _is_all_told(self) -> bool:
        registry = self._registry.get()
        told = leader.position(registry.database, _LEASE)
        return told is not None and registry.newest_event() <= told

    def _acquire(self) -> int | None:
        database = self._registry.database()
        return leader.acquire(
            database, _LEASE, self._holder, now=utcnow(), lasts=_LASTS, position=self._registry.opened_at
        )

    def _renew(self, told: int) -> bool:
        database = self._registry.database()
        return leader.renew(database, _LEASE, self._holder, now=utcnow(), lasts=_LASTS, position=told)


def _notification(event: Event) -> Notification:
    return Notification(
        event.action, event.subject, event.actor, event.reason, event.at, event.before, event.after, details_of(event)
    )
