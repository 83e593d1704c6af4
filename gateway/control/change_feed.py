"""Applies changes that other gateways or offline commands made to the registry: loads releases, then serves them."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from dataclasses import replace

from sqlalchemy.exc import SQLAlchemyError

from postil.gateway.control.catalog_sync import AdapterSnapshot, CatalogSync
from postil.gateway.control.engine_handle import EngineHandle
from postil.gateway.control.locks import AdapterLocks
from postil.gateway.control.notifier import Notifier
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.control.reviews import Reviews
from postil.gateway.engine.adapter_cache import AdapterCache, LoadError
from postil.gateway.errors import EngineUnavailableError
from postil.gateway.inference.routing.catalog import AdapterEntry
from postil.gateway.inference.routing.catalog_holder import CatalogHolder
from postil.gateway.inference.routing.extensions import Extensions
from postil.registry.db.change_feed import ChangeFeed
from postil.registry.errors import NameInvalidError, NotFoundError, RegistryError
from postil.registry.names import AdapterName, parse_adapter

log = logging.getLogger(__name__)
_AGAIN_SECONDS = 5.0


class RemoteChanges:
    """Applies the remote changes of one adapter."""

    def __init__(self, sync: CatalogSync, catalog: CatalogHolder, engine: EngineHandle, locks: AdapterLocks) -> None:
        self._sync = sync
        self._catalog = catalog
        self._engine = engine
        self._locks = locks

    async def sync_remote(self, name: AdapterName) -> bool:
        """Serve an adapter's state in the registry; returns False if its live release cannot be loaded here.

        In that case the previous live release keeps answering here.
        """
        try:
            async with self._locks.of(name):
                read = await self._sync.read(name)
                if not self._has_to_load(read):
                    return await self._take_over(read)
            # Outside the lock, because a load may take seconds; then read again, because the state may have changed.
            await self._loaded(read.entry)
            async with self._locks.of(name):
                return await self._take_over(await self._sync.read(name))
        except NotFoundError:
            return True

    async def _take_over(self, read: AdapterSnapshot) -> bool:
        before = self._catalog.current.entries.get(str(read.entry.name))
        # This gateway's own changes are served already; loading them again could evict adapters that are in use.
        loaded = self._is_served(read) or await self._loaded(read.entry)
        if not loaded and before is not None and before.live in read.entry.releases:
            read = replace(read, entry=replace(read.entry, live=before.live))
        self._sync.swap(read)
        return loaded

    def _has_to_load(self, read: AdapterSnapshot) -> bool:
        """Return whether the engine lacks a release that should be served."""
        releases = read.entry.releases
        return not self._is_served(read) and not all(
            self._engine.can_serve(releases[number]) for number in read.entry.desired()
        )

    def _is_served(self, read: AdapterSnapshot) -> bool:
        return read.entry == self._catalog.current.entries.get(str(read.entry.name))

    async def _loaded(self, entry: AdapterEntry) -> bool:
        """Load the entry's releases; return whether its live one is loaded. Without an engine the next one loads it."""
        try:
            _, adapter_cache = self._engine.ready()
        except EngineUnavailableError:
            return True
        return all([await _load(adapter_cache, entry, number) for number in entry.desired()])


class AdapterFeed:
    """Follows the event log: applies changes to adapters, wakes requests that wait for reviews, and calls listeners."""

    def __init__(
        self, registry: RegistryHandle, url: str, remote: RemoteChanges, reviews: Reviews, extensions: Extensions
    ) -> None:
        self._registry = registry
        self._url = url
        self._remote = remote
        self._reviews = reviews
        self._extensions = extensions
        self._undone: set[str] = set()

    async def watch(self) -> None:
        """Apply every change that is announced, until cancelled."""
        await self._registry.opened.wait()
        feed, news = ChangeFeed(self._url, after=self._registry.opened_at), asyncio.Event()
        async with asyncio.TaskGroup() as beside, aclosing(feed.changes()) as changes:
            if self._extensions.listens:
                beside.create_task(Notifier(self._registry, self._extensions).run(news))
            beside.create_task(self._retry())
            async for subjects in changes:
                for subject in sorted(subjects):
                    await self._follow(subject)
                await self._wake()
                news.set()

    async def _wake(self) -> None:
        """Wake requests whose reviews were decided elsewhere; if the database fails, they look when their time ends."""
        try:
            await self._reviews.sync_decided()
        except (SQLAlchemyError, RegistryError, EngineUnavailableError) as error:
            log.warning("requests that wait for reviews could not be woken: %s", type(error).__name__)

    async def _follow(self, subject: str) -> None:
        """Apply one subject's changes; on failure put it on the list for a retry."""
        try:
            done = await self._taken_over(subject)
        except Exception:  # The database may fail at any time.
            log.exception("changes to %s could not be applied; trying again", subject)
            done = False
        if done:
            self._undone.discard(subject)
        else:
            self._undone.add(subject)

    async def _retry(self) -> None:
        """Retry failed changes every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(_AGAIN_SECONDS)
            for subject in sorted(self._undone):
                await self._follow(subject)

    async def _taken_over(self, subject: str) -> bool:
        try:
            name = parse_adapter(subject)
        except NameInvalidError:  # Tenants, key owners and signing keys of domains are applied by KeyFeed.
            return True
        return await self._remote.sync_remote(name)


async def _load(adapter_cache: AdapterCache, entry: AdapterEntry, number: int) -> bool:
    """Load a release; returns False only if it is the live one and cannot be loaded."""
    release = entry.releases[number]
    try:
        await adapter_cache.ensure_loaded(release.engine_name, release.artifact, release.ref.domain)
    except (LoadError, EngineUnavailableError) as error:
        log.error("%s was changed elsewhere and cannot be loaded here: %s", release.ref, error)
        return number != entry.live
    return True
