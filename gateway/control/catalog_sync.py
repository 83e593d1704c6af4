"""Updates the catalog from the registry after a change: one adapter, or all tenants and keys."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.inference.routing.catalog import AdapterEntry
from postil.gateway.inference.routing.catalog_holder import CatalogHolder
from postil.gateway.inference.routing.make_entry import make_entry
from postil.gateway.tenancy.callers import Callers
from postil.gateway.threads import Threads
from postil.plugins.manager import PluginManager
from postil.registry.errors import UnavailableError
from postil.registry.names import AdapterName

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AdapterSnapshot:
    """An adapter as it should be served, every domain's default adapter, and the last event that both include."""

    entry: AdapterEntry
    defaults: Mapping[str, str]
    as_of: int


class CatalogSync:
    """Updates single adapters in the catalog."""

    def __init__(
        self, registry: RegistryHandle, plugins: PluginManager, catalog: CatalogHolder, threads: Threads
    ) -> None:
        self._registry = registry
        self._plugins = plugins
        self._catalog = catalog
        self._threads = threads

    async def sync_adapter(self, name: AdapterName, act: Callable[[], object] = lambda: None) -> None:
        """Read an adapter's state from the registry after running ``act``, and serve it. Raises NotFoundError."""
        self.swap(await self.read(name, act))

    async def read(self, name: AdapterName, act: Callable[[], object] = lambda: None) -> AdapterSnapshot:
        """Run ``act``, then return the adapter's state in the registry. Raises NotFoundError.

        Both run in one thread call: on a busy loop each extra switch costs milliseconds in which the old release still
        answers.
        """
        registry = self._registry.get()

        def changed() -> AdapterSnapshot:
            act()
            state, defaults, as_of = registry.serving(name)
            # Plugins are set up in this thread too, so that they do not block the event loop.
            before = self._catalog.current.entries.get(str(name))
            return AdapterSnapshot(make_entry(state, self._plugins, registry.base, before), defaults, as_of)

        return await self._threads.run(name.domain, str(name), changed)

    def swap(self, read: AdapterSnapshot) -> None:
        """Serve an adapter's state as read."""
        self._catalog.swap(read.entry, read.defaults, read.as_of)


async def sync_keys(callers: Callers) -> None:
    """Load all tenants and keys after a committed change.

    A database that fails after the commit does not undo the change. An error here would wrongly report a failure, and
    would lose the text of a new key. ``KeyFeed`` loads the change later, as it does with changes by others.
    """
    try:
        await callers.refresh()
    except UnavailableError:
        log.warning("a change to tenants or keys is done, and in force here once the database answers")
