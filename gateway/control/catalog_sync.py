"""Updates the catalog from the registry after a change: one adapter, or all tenants and keys."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.inference.routing.catalog import AdapterEntry, make_entry
from postil.gateway.inference.routing.catalog_holder import CatalogHolder
from postil.gateway.tenancy.callers import Callers
from postil.plugins.manager import PluginManager
from postil.registry.errors import UnavailableError
from postil.registry.names import AdapterName

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AdapterSnapshot:
    """An adapter as it is to be served, every domain's default adapter, and the event up to which both were read."""

    entry: AdapterEntry
    defaults: Mapping[str, str]
    as_of: int


class CatalogSync:
    """Updates single adapters of the catalog."""

    def __init__(self, registry: RegistryHandle, plugins: PluginManager, catalog: CatalogHolder) -> None:
        self._registry = registry
        self._plugins = plugins
        self._catalog = catalog

    async def sync_adapter(self, name: AdapterName, act: Callable[[], object] = lambda: None) -> None:
        """Take one adapter's state over from the registry, after ``act`` has changed it there. Raises NotFoundError."""
        self.swap(await self.read(name, act))

    async def read(self, name: AdapterName, act: Callable[[], object] = lambda: None) -> AdapterSnapshot:
        """An adapter as the registry has it, after ``act``. Raises NotFoundError.

        Both in one turn of one thread: while the loop is busy, each turn costs milliseconds in which the old release
        still answers.
        """
        registry = self._registry.get()

        def changed() -> AdapterSnapshot:
            act()
            state, defaults, as_of = registry.serving(name)
            # Its plugins are set up here, too: the loop must not wait for what they do meanwhile.
            before = self._catalog.current.entries.get(str(name))
            return AdapterSnapshot(make_entry(state, self._plugins, registry.base, before), defaults, as_of)

        return await asyncio.to_thread(changed)

    def swap(self, read: AdapterSnapshot) -> None:
        """Serve an adapter as it was read."""
        self._catalog.swap(read.entry, read.defaults, read.as_of)


async def sync_keys(callers: Callers) -> None:
    """Take all tenants and keys over, after a change that was committed.

    A database that is lost since then undoes nothing: to say that nothing was changed would be wrong, and would keep
    the text of a new key from whoever asked for it. ``KeyFeed`` takes it over as it does what others did.
    """
    try:
        await callers.refresh()
    except UnavailableError:
        log.warning("a change to tenants or keys is done, and in force here once the database answers")
