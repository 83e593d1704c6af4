"""Follows what other gateways, or commands without one, did to the same registry: loads first, then takes it over."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from dataclasses import replace

from postil.gateway.control.catalog_sync import read
from postil.gateway.control.notifier import Notifier
from postil.gateway.control.runtime import Gateway
from postil.gateway.engine.adapter_cache import AdapterCache, LoadError
from postil.gateway.errors import EngineUnavailableError
from postil.gateway.inference.routing.catalog import AdapterEntry
from postil.registry.db.change_feed import ChangeFeed
from postil.registry.errors import NameInvalidError, NotFoundError
from postil.registry.names import AdapterName, parse_adapter

log = logging.getLogger(__name__)
_AGAIN_SECONDS = 5.0


async def watch(gateway: Gateway) -> None:
    """Take over every change as it is heard of; until cancelled."""
    await gateway.opened.wait()
    feed = ChangeFeed(gateway.settings.database, after=gateway.opened_at)
    news, undone = asyncio.Event(), set[str]()
    async with asyncio.TaskGroup() as beside, aclosing(feed.changes()) as changes:
        if gateway.extensions.listens:
            beside.create_task(Notifier(gateway).run(news))
        beside.create_task(_again(gateway, undone))
        async for subjects in changes:
            for subject in sorted(subjects):
                await _follow(gateway, subject, undone)
            gateway.reviews.heard()
            news.set()


async def _follow(gateway: Gateway, subject: str, undone: set[str]) -> None:
    """Take over one subject of the log; what cannot be done now is undone, and tried again."""
    try:
        done = await _taken_over(gateway, subject)
    except Exception:  # The database may go at any moment.
        log.exception("what was done to %s could not be taken over; trying again", subject)
        done = False
    if done:
        undone.discard(subject)
    else:
        undone.add(subject)


async def _again(gateway: Gateway, undone: set[str]) -> None:
    """Try what is undone every few seconds; until cancelled."""
    while True:
        await asyncio.sleep(_AGAIN_SECONDS)
        for subject in sorted(undone):
            await _follow(gateway, subject, undone)


async def _taken_over(gateway: Gateway, subject: str) -> bool:
    try:
        name = parse_adapter(subject)
    except NameInvalidError:  # A tenant, a key's owner, or a domain's signing keys: following_keys takes them over.
        return True
    return await sync_remote(gateway, name)


async def sync_remote(gateway: Gateway, name: AdapterName) -> bool:
    """Serve an adapter as the registry has it now; False if its live release cannot be loaded here.

    Then the one that was live before goes on answering here.
    """
    async with gateway.change_lock:
        try:
            entry, defaults = await read(gateway, name)
        except NotFoundError:
            return True
        before = gateway.catalog.entries.get(str(name))
        # What was this gateway's own doing is served already: to load it again would push out what is asked for.
        loaded = entry == before or await _loaded(gateway, entry)
        if not loaded and before is not None and before.live in entry.releases:
            entry = replace(entry, live=before.live)
        gateway.swap(entry, defaults)
        return loaded


async def _loaded(gateway: Gateway, entry: AdapterEntry) -> bool:
    """Load what the entry wants; whether its live release is there. Without an engine, the next one loads it."""
    try:
        _, adapter_cache = gateway.engine()
    except EngineUnavailableError:
        return True
    return all([await _load(adapter_cache, entry, number) for number in entry.desired()])


async def _load(adapter_cache: AdapterCache, entry: AdapterEntry, number: int) -> bool:
    """Whether a release is loaded, or is not the live one."""
    release = entry.releases[number]
    try:
        await adapter_cache.ensure_loaded(release.engine_name, release.artifact, release.ref.domain)
    except (LoadError, EngineUnavailableError) as error:
        log.error("%s was changed elsewhere and cannot be loaded here: %s", release.ref, error)
        return number != entry.live
    return True
