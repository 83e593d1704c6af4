"""Garbage collection on a running gateway: the files, then the snapshot, which says which releases have none."""

from __future__ import annotations

import asyncio
from functools import partial

from postil.gateway.control.catalog_sync import CatalogSync
from postil.gateway.control.locks import AdapterLocks
from postil.gateway.control.registry_handle import RegistryHandle
from postil.registry.names import AdapterName
from postil.registry.releases.garbage import Garbage
from postil.registry.releases.garbage import collect_garbage as collect


async def collect_garbage(
    handle: RegistryHandle, sync: CatalogSync, locks: AdapterLocks, *, keep: int, actor: str, dry_run: bool
) -> list[Garbage]:
    """Delete the files that nobody can need any more and say which; with ``dry_run``, only say which."""
    registry = handle.get()
    act = partial(collect, registry.database, registry.artifacts, keep=keep, actor=actor, dry_run=dry_run)
    found = await asyncio.to_thread(act)
    if not dry_run:
        for name in {AdapterName(ref.domain, ref.adapter) for garbage in found for ref in garbage.releases}:
            async with locks.of(name):
                await sync.sync_adapter(name)
    return found
