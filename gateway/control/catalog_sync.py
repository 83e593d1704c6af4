"""Takes over what a change has left in the registry: of one adapter, or of all tenants and keys."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from postil.gateway.control.runtime import Gateway
from postil.gateway.inference.routing.catalog import AdapterEntry, make_entry
from postil.registry.errors import UnavailableError
from postil.registry.names import AdapterName

log = logging.getLogger(__name__)


async def sync_adapter(gateway: Gateway, name: AdapterName, act: Callable[[], object] = lambda: None) -> None:
    """Take one adapter's state over from the registry, after ``act`` has changed it there. Raises NotFoundError."""
    gateway.swap(*await read(gateway, name, act))


async def read(
    gateway: Gateway, name: AdapterName, act: Callable[[], object] = lambda: None
) -> tuple[AdapterEntry, Mapping[str, str]]:
    """An adapter as the registry has it, after ``act``, and every domain's default adapter. Raises NotFoundError.

    Both in one turn of one thread: while the loop is busy, each turn costs milliseconds in which the old release
    still answers.
    """
    registry = gateway.registry()

    def changed() -> tuple[AdapterEntry, Mapping[str, str]]:
        act()
        state, defaults = registry.serving(name)
        # Its plugins are set up here, too: the loop must not wait for what they do meanwhile.
        return make_entry(state, gateway.plugins, registry.base, gateway.catalog.entries.get(str(name))), defaults

    return await asyncio.to_thread(changed)


async def sync_keys(gateway: Gateway) -> None:
    """Take all tenants and keys over, after a change that was committed.

    A database that is lost since then undoes nothing: to say that nothing was changed would be wrong, and would keep
    the text of a new key from whoever asked for it. ``following_keys`` takes it over as it does what others did.
    """
    try:
        await gateway.refresh_tenants()
    except UnavailableError:
        log.warning("a change to tenants or keys is done, and in force here once the database answers")
