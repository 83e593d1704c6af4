"""Applies changes of tenants, keys and required signatures that other gateways made, apart from other changes.

It has its own connection, so that a revoked key stops working even while a promoted release is still loading.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing

from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.tenancy.callers import Callers
from postil.registry.db.change_feed import ChangeFeed
from postil.registry.errors import NameInvalidError
from postil.registry.names import parse_adapter
from postil.registry.signing.requirements import SignatureGate

log = logging.getLogger(__name__)
# Poll interval of the log where changes are not announced: on SQLite, or behind a pooler that drops notifications.
_POLL_SECONDS = 0.1
_AGAIN_SECONDS = 0.2


class KeyFeed:
    """Keeps callers and required signatures up to date."""

    def __init__(self, registry: RegistryHandle, url: str, callers: Callers, signatures: SignatureGate) -> None:
        self._registry = registry
        self._url = url
        self._callers = callers
        self._signatures = signatures

    async def watch(self) -> None:
        """Apply every change that is announced, until cancelled."""
        await self._registry.opened.wait()
        feed = ChangeFeed(self._url, after=self._registry.opened_at, poll_seconds=_POLL_SECONDS)
        while True:
            try:
                await self._follow(feed)
            except Exception as error:  # The database may fail; the feed returns again what was not applied.
                log.warning("the keys could not be read again (%s); trying until they can", type(error).__name__)
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _follow(self, feed: ChangeFeed) -> None:
        async with aclosing(feed.changes()) as changes:
            async for subjects in changes:
                changed = {subject for subject in subjects if not _is_adapter(subject)}
                if changed:
                    # Before anything that may fail: a domain whose keys were just set must not load unsigned releases.
                    trusted = self._signatures.forget(changed)
                    await self._callers.refresh()
                    # A tenant may share its name with a domain that still needs no signatures.
                    await asyncio.to_thread(self._signatures.recheck, trusted)


def _is_adapter(subject: str) -> bool:
    try:
        parse_adapter(subject)
    except NameInvalidError:
        return False
    return True
