"""Publish on a running gateway: fetch the files, check them, create the release, update the catalog."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

from postil.gateway.control.catalog_sync import CatalogSync
from postil.gateway.control.disk import FreeSpace
from postil.gateway.control.engine_handle import EngineHandle
from postil.gateway.control.locks import AdapterLocks
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.engine.grammar_trial import GrammarTrial
from postil.gateway.errors import EngineUnavailableError, UploadsLimitedError
from postil.gateway.inference.policy_trial import too_long
from postil.gateway.threads import ThreadPools, finished
from postil.registry.artifacts.archives.pack import unpack
from postil.registry.artifacts.contents import check_complete, left_out, policy_in
from postil.registry.artifacts.hub.fetch import Patience, fetch
from postil.registry.artifacts.hub.ref import HubRef
from postil.registry.db.tables import Release
from postil.registry.errors import PolicyError
from postil.registry.names import AdapterName
from postil.registry.policy.policy import Policy
from postil.registry.policy.publishable import check_publishable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an adapter's files came from exactly ("" for an upload), and what came with them and is not kept."""

    source: str
    left_out: Sequence[str]


# Puts an adapter's files into a folder.
FetchFiles = Callable[[Path, Patience], Origin]


@dataclass(frozen=True, slots=True)
class Source:
    """Where an adapter comes from; ``remote`` if another machine says how long that takes."""

    fetch_files: FetchFiles
    remote: bool


@dataclass(frozen=True, slots=True)
class Published:
    """A release, whether it is new, and whether its policy is the ``policy.yaml`` from the adapter's folder.

    ``left_out`` are files and folders that came with it and are not kept.
    """

    release: Release
    created: bool
    policy_found: bool
    left_out: Sequence[str]


def uploaded(archive: IO[bytes]) -> Source:
    """Return a source for an uploaded tar, tar.gz or zip."""

    def take(folder: Path, patience: Patience) -> Origin:
        names = unpack(archive, folder, patience.limit)
        check_complete("the upload", names)
        return Origin("", left_out(names))

    return Source(take, remote=False)


def from_hub(ref: HubRef, may_use_token: Callable[[], bool]) -> Source:
    """Return a source for an adapter on a hub, fetched with the gateway's token only if that may be used."""

    def take(folder: Path, patience: Patience) -> Origin:
        found = fetch(ref, folder, patience, anonymous=not may_use_token())
        return Origin(str(found.ref), left_out(found.names))

    return Source(take, remote=True)


class PublishService:
    """Publishes adapters. ``limit`` is in bytes; ``hub_seconds`` is the time limit of a download.

    ``at_a_time`` is how many publishes of one actor may run at a time; each takes disk space before it is checked.
    """

    def __init__(
        self,
        registry: RegistryHandle,
        sync: CatalogSync,
        locks: AdapterLocks,
        engine: EngineHandle,
        disk: FreeSpace,
        pools: ThreadPools,
        *,
        limit: int,
        hub_seconds: float,
        at_a_time: int,
    ) -> None:
        self._registry = registry
        self._sync = sync
        self._locks = locks
        self._engine = engine
        self._pools = pools
        self._limit = limit
        self._hub_seconds = hub_seconds
        self._disk = disk
        self._at_a_time = at_a_time
        self._busy: Counter[str] = Counter()
        self._trial = GrammarTrial()

    @contextmanager
    def admitted(self, actor: str, upload_bytes: int | None) -> Iterator[None]:
        """Let one publish of an actor in, before its body is read; ``upload_bytes`` is its size, None if unknown.

        Room is kept for the body, and for as much as an archive may unpack to or a hub send. Raises UploadsLimitedError
        or InsufficientStorageError.
        """
        if self._busy[actor] >= self._at_a_time:
            raise UploadsLimitedError(
                f"{self._at_a_time} publishes of {actor} are running; wait for one of them to end", retry_after=5
            )
        spooled = self._limit if upload_bytes is None else min(upload_bytes, self._limit)
        with self._disk.reserved(stored=self._limit, spooled=spooled):
            self._busy[actor] += 1
            try:
                yield
            finally:
                self._busy[actor] -= 1
                if not self._busy[actor]:
                    del self._busy[actor]

    async def publish(
        self,
        source: Source,
        name: AdapterName,
        policy: Policy | None,
        *,
        note: str,
        actor: str,
        scope: Collection[str] | None = None,
        base_ok: bool = False,
    ) -> Published:
        """Create a release from a source, by somebody who works on the domains of ``scope`` (None: all).

        A refusal or a cancellation changes nothing.

        Without ``policy``, the ``policy.yaml`` in the adapter's folder applies, else the live policy. ``base_ok`` lets
        a base of another name through.
        """
        registry = self._registry.get()
        with registry.artifacts.incoming() as folder:
            origin = await self._fetched(source, folder, name.domain, actor)
            self._disk.check()
            found = policy_in(folder) if policy is None else None
            if (new := policy or found) is not None:
                await self._try(new, name.domain, actor)
            given = partial(registry.publish, folder, name, new, note=note, actor=actor)
            make = partial(given, source=origin.source, scope=scope, base_ok=base_ok)
            release, created = await finished(self._made(make, name, actor))
            return Published(release, created, found is not None, origin.left_out)

    async def _try(self, policy: Policy, domain: str, actor: str) -> None:
        """Have a new policy's constraint compiled once, where it can be killed, and its labels counted in tokens.

        Raises PolicyError.
        """
        registry = self._registry.get()
        check_publishable(policy, registry.window)
        constraint = policy.output.constraint() if policy.output else None
        await self._trial.compile(constraint, registry.base.path, domain, actor)
        try:
            reason = await too_long(self._engine.ready()[0], policy)
        except EngineUnavailableError:
            return  # It is asked again before a release is live.
        if reason is not None:
            raise PolicyError(f"policy: {reason}: no such answer could be whole; raise it")

    async def _fetched(self, source: Source, folder: Path, domain: str, actor: str) -> Origin:
        """Fetch the files without holding a lock, so that changes to releases go on meanwhile."""
        stop = threading.Event()
        patience = Patience(self._limit, self._hub_seconds, stop)
        threads = self._pools.downloads if source.remote else self._pools.publishing
        work = threads.run(domain, actor, source.fetch_files, folder, patience)
        return await finished(work, on_cancel=stop.set)

    async def _made(
        self, make: Callable[[], tuple[Release, bool]], name: AdapterName, actor: str
    ) -> tuple[Release, bool]:
        """Read and store the files, which takes time; promotes and rollbacks do not wait for it."""
        made = await self._pools.publishing.run(name.domain, actor, make)
        async with self._locks.of(name):
            await self._sync.sync_adapter(name)
        return made
