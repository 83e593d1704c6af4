"""Publish on a running gateway: fetch the files, check them, create the release, update the catalog."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar

from postil.gateway.control.catalog_sync import CatalogSync
from postil.gateway.control.locks import AdapterLocks
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.engine.grammar_trial import GrammarTrial
from postil.registry.artifacts.archives.pack import unpack
from postil.registry.artifacts.contents import policy_in
from postil.registry.artifacts.hub.fetch import Patience, fetch
from postil.registry.artifacts.hub.ref import HubRef
from postil.registry.db.tables import Release
from postil.registry.names import AdapterName
from postil.registry.policy.policy import Policy, policy_from
from postil.registry.policy.publishable import check_publishable, policy_warnings

T = TypeVar("T")
# Puts an adapter's files into a folder and returns their exact origin ("" for an upload).
FetchFiles = Callable[[Path, Patience], str]


@dataclass(frozen=True, slots=True)
class Published:
    """A release, whether it is new, and whether its policy is the ``policy.yaml`` from the adapter's folder.

    ``warnings`` say what in the policy may not have been meant.
    """

    release: Release
    created: bool
    policy_found: bool
    warnings: Sequence[str]


def uploaded(archive: IO[bytes]) -> FetchFiles:
    """Return a source for an uploaded tar, tar.gz or zip."""

    def take(folder: Path, patience: Patience) -> str:
        unpack(archive, folder, patience.limit)
        return ""

    return take


def from_hub(ref: HubRef) -> FetchFiles:
    """Return a source for an adapter on a hub."""

    def take(folder: Path, patience: Patience) -> str:
        return str(fetch(ref, folder, patience))

    return take


class PublishService:
    """Publishes adapters. ``limit`` is in bytes; ``hub_seconds`` is the time limit of a download."""

    def __init__(
        self, registry: RegistryHandle, sync: CatalogSync, locks: AdapterLocks, *, limit: int, hub_seconds: float
    ) -> None:
        self._registry = registry
        self._sync = sync
        self._locks = locks
        self._limit = limit
        self._hub_seconds = hub_seconds
        self._trial = GrammarTrial()

    async def publish(
        self, fetch_files: FetchFiles, name: AdapterName, policy: Policy | None, *, note: str, actor: str
    ) -> Published:
        """Create a release from a source. A refusal or a cancellation changes nothing.

        Without ``policy``, the ``policy.yaml`` in the adapter's folder applies, else the live policy.
        """
        registry = self._registry.get()
        with registry.artifacts.incoming() as folder:
            source = await self._fetched(fetch_files, folder)
            found = policy_in(folder) if policy is None else None
            if (given := policy or found) is not None:
                await self._try(given)
            make = partial(registry.publish, folder, name, given, note=note, actor=actor, source=source)
            release, created = await _finished(self._made(make, name))
            return Published(release, created, found is not None, policy_warnings(policy_from(release.policy)))

    async def _try(self, policy: Policy) -> None:
        """Have a new policy's constraint compiled once, where it can be killed. Raises PolicyError."""
        registry = self._registry.get()
        check_publishable(policy, registry.window)
        await self._trial.compile(policy.output.constraint() if policy.output else None, registry.base.path)

    async def _fetched(self, fetch_files: FetchFiles, folder: Path) -> str:
        """Fetch the files without holding a lock, so that changes to releases go on meanwhile."""
        stop = threading.Event()
        patience = Patience(self._limit, self._hub_seconds, stop)
        return await _finished(asyncio.to_thread(fetch_files, folder, patience), on_cancel=stop.set)

    async def _made(self, make: Callable[[], tuple[Release, bool]], name: AdapterName) -> tuple[Release, bool]:
        """Read and store the files, which takes time; promotes and rollbacks do not wait for it."""
        made = await asyncio.to_thread(make)
        async with self._locks.of(name):
            await self._sync.sync_adapter(name)
        return made


async def _finished(work: Coroutine[Any, Any, T], *, on_cancel: Callable[[], None] = lambda: None) -> T:
    """Run the work to its end even if cancelled: a thread cannot be cancelled, and its files must stay."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        on_cancel()
        await asyncio.wait({task})
        raise
