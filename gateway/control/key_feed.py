"""Follows what other gateways did to tenants, keys, and what signatures domains require, beside everything else.

A connection of its own: a revoked key must not go on while a release that somebody promoted is being loaded.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing

from postil.gateway.control.runtime import Gateway
from postil.registry.db.change_feed import ChangeFeed
from postil.registry.errors import NameInvalidError
from postil.registry.names import parse_adapter

log = logging.getLogger(__name__)
# How often the log is looked at where nothing is announced: on SQLite, or through a pooler that loses announcements.
_LOOK_SECONDS = 0.1
_AGAIN_SECONDS = 0.2


async def watch_keys(gateway: Gateway) -> None:
    """Take every change over as it is heard of; until cancelled."""
    await gateway.opened.wait()
    feed = ChangeFeed(gateway.settings.database, after=gateway.opened_at, poll_seconds=_LOOK_SECONDS)
    while True:
        try:
            await _follow(gateway, feed)
        except Exception as error:  # The database may go at any moment; the feed hands out again what was not done.
            log.warning("the keys could not be read again (%s); trying until they can", type(error).__name__)
            await asyncio.sleep(_AGAIN_SECONDS)


async def _follow(gateway: Gateway, feed: ChangeFeed) -> None:
    async with aclosing(feed.changes()) as changes:
        async for subjects in changes:
            changed = {subject for subject in subjects if not _is_adapter(subject)}
            if changed:
                # Before anything that may fail: where keys were set, nothing unsigned is to be taken on trust.
                trusted = gateway.signature_gate.forget(changed)
                await gateway.refresh_tenants()
                # A tenant may be called like a domain that needs no signatures as before.
                await asyncio.to_thread(gateway.signature_gate.recheck, trusted)


def _is_adapter(subject: str) -> bool:
    try:
        parse_adapter(subject)
    except NameInvalidError:
        return False
    return True
