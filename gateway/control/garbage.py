"""Garbage collection on a running gateway: deletes files, then updates the catalog."""

from __future__ import annotations

from functools import partial

from postil.gateway.control.catalog_sync import CatalogSync
from postil.gateway.control.locks import AdapterLocks
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.threads import Threads
from postil.registry.names import AdapterName
from postil.registry.releases.garbage import Garbage
from postil.registry.releases.garbage import collect_garbage as collect


async def collect_garbage(
    handle: RegistryHandle,
    sync: CatalogSync,
    locks: AdapterLocks,
    threads: Threads,
    *,
    keep: int,
    actor: str,
    dry_run: bool,
) -> list[Garbage]:
    """Delete files that nothing needs any more and return the report; ``dry_run`` deletes nothing."""
    registry = handle.get()
    act = partial(collect, registry.database, registry.artifacts, keep=keep, actor=actor, dry_run=dry_run)
    found = await threads.run("", actor, act)
    if not dry_run:
        for name in {AdapterName(ref.domain, ref.adapter) for garbage in found for ref in garbage.releases}:
            async with locks.of(name):
                await sync.sync_adapter(name)
    return found
