"""Promote, roll back, try out and pin releases on a running gateway: load first, then move the pointer, then serve."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any

from postil.gateway.control.catalog_sync import CatalogSync, sync_keys
from postil.gateway.control.engine_handle import EngineHandle
from postil.gateway.control.locks import AdapterLocks
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.engine.adapter_cache import LoadError
from postil.gateway.errors import EngineUnavailableError, NotFoundError, RefusedError
from postil.gateway.inference.policy_trial import refusal, too_long
from postil.gateway.inference.routing.catalog_holder import CatalogHolder
from postil.gateway.inference.routing.extensions import Extensions
from postil.gateway.inference.routing.release import LoadedRelease, load_release, release_spec
from postil.gateway.tenancy.callers import Callers
from postil.plugins import Candidate, ReleaseRef
from postil.plugins.manager import PluginManager
from postil.registry.accounts import tenants
from postil.registry.db.outage import after_a_change
from postil.registry.errors import UnavailableError
from postil.registry.names import AdapterName
from postil.registry.releases import channels
from postil.registry.releases.channels import ANY, STABLE, Precondition
from postil.registry.releases.state import AdapterState
from postil.registry.releases.yank import unyank, yank

log = logging.getLogger(__name__)
# Sets up the installed plugins that a release uses; returns when that is done, or has failed.
SetUp = Callable[[LoadedRelease], Awaitable[None]]


class ReleaseService:
    """Changes the live releases, channels and pins.

    Releases are loaded before the adapter's lock is taken, so that a load, which may take seconds, delays neither other
    adapters nor changes that need no load.
    """

    def __init__(
        self,
        registry: RegistryHandle,
        engine: EngineHandle,
        catalog: CatalogHolder,
        sync: CatalogSync,
        callers: Callers,
        gates: Extensions,
        locks: AdapterLocks,
        plugins: PluginManager,
        set_up: SetUp,
    ) -> None:
        self._registry = registry
        self._engine = engine
        self._catalog = catalog
        self._sync = sync
        self._callers = callers
        self._gates = gates
        self._locks = locks
        self._plugins = plugins
        self._set_up = set_up

    async def promote(
        self, ref: ReleaseRef, *, reason: str, actor: str, only: Precondition = ANY, dry_run: bool = False
    ) -> AdapterState:
        """Make a release live; returns the adapter's new state.

        The release is asked once under its policy: what the engine refuses is refused here. Its installed plugins are
        set up before, so that the first answer does not wait for them. ``dry_run`` checks, loads and asks the release
        but changes nothing.
        """
        if self._gates.guards:
            await self._gates.let_through(*await asyncio.to_thread(self._candidates, ref))
        await self._load(ref)
        with suppress(EngineUnavailableError):  # Loaded, and lost since: the next engine loads what is live.
            await self._ask_once(ref)
        await self._set_up(await self._loaded_release(ref))
        act = partial(self._registry.get().promote, ref, reason=reason, actor=actor, only=only, dry_run=dry_run)
        return await self._move_loaded(ref, act)

    async def rollback_target(self, name: AdapterName, to: int | None) -> ReleaseRef:
        """Return the release to go back to: number ``to``, else the previous live release."""
        if to is not None:
            return name.release(to)
        return await asyncio.to_thread(self._registry.get().rollback_target, name)

    async def rollback(
        self,
        ref: ReleaseRef,
        *,
        reason: str,
        actor: str,
        only: Precondition = ANY,
        dry_run: bool = False,
        details: Mapping[str, Any] | None = None,
    ) -> AdapterState:
        """Make an earlier live release live again; otherwise like ``promote``."""
        act = partial(
            self._registry.get().rollback,
            ref,
            reason=reason,
            actor=actor,
            only=only,
            dry_run=dry_run,
            details=details,
        )
        return await self.change_loaded(ref, act)

    async def point(
        self, ref: ReleaseRef, which: str, weight: float, *, reason: str, actor: str, only: Precondition = ANY
    ) -> AdapterState:
        """Make a release the canary or shadow with a percentage of the traffic, or change that percentage."""
        database = self._registry.database()
        act = partial(channels.point, database, ref, which, weight, reason=reason, actor=actor, only=only)
        return await self.try_out(ref, act)

    async def clear(
        self,
        name: AdapterName,
        which: str,
        *,
        reason: str,
        actor: str,
        only: Precondition = ANY,
        details: Mapping[str, Any] | None = None,
    ) -> AdapterState:
        """End a canary or a shadow."""
        database = self._registry.database()
        act = partial(channels.clear, database, name, which, reason=reason, actor=actor, only=only, details=details)
        return await self.change(name, act)

    async def yank(
        self,
        ref: ReleaseRef,
        *,
        reason: str,
        actor: str,
        to: int | None = None,
        which: str = STABLE,
        only: Precondition = ANY,
        details: Mapping[str, Any] | None = None,
        load_first: bool = False,
    ) -> AdapterState:
        """Yank a release; if it is live, release ``to`` answers from then on, else the one before, else none.

        Nothing is loaded before, unless told to: what does harm must not go on because another release loads slowly.
        """
        name = AdapterName(ref.domain, ref.adapter)
        if load_first and to is not None:
            await self._load(name.release(to))
        act = partial(yank, self._registry.database(), ref, reason=reason, actor=actor, to=to)
        return await self.change(name, partial(act, which=which, only=only, details=details))

    async def unyank(self, ref: ReleaseRef, *, reason: str, actor: str) -> AdapterState:
        """Take a yank back; who is pinned to the release gets it again."""
        act = partial(unyank, self._registry.database(), ref, reason=reason, actor=actor)
        return await self.change(AdapterName(ref.domain, ref.adapter), act)

    async def pin(self, tenant: str, ref: ReleaseRef, *, reason: str, actor: str) -> AdapterState:
        """Pin a tenant to this release, whichever is live. Raises NotFoundError if the tenant does not exist."""

        def act() -> None:
            self._check_known(tenant)  # Check again: the tenant may have been removed while the release was loading.
            channels.pin(self._registry.database(), tenant, ref, reason=reason, actor=actor)

        self._check_known(tenant)
        return await self.try_out(ref, act)

    async def unpin(self, tenant: str, name: AdapterName, *, reason: str, actor: str) -> AdapterState:
        """Remove a tenant's pin: it gets the live release again."""
        act = partial(channels.unpin, self._registry.database(), tenant, name, reason=reason, actor=actor)
        return await self.change(name, act)

    async def remove_tenant(self, name: str, *, actor: str) -> None:
        """Remove a tenant: its keys are refused at once and its pins are removed. Raises NotFoundError."""
        await asyncio.to_thread(tenants.remove_tenant, self._registry.database(), name, actor=actor)
        await sync_keys(self._callers)
        for entry in [entry for entry in self._catalog.current.entries.values() if name in entry.pins]:
            async with self._locks.of(entry.name):
                try:
                    await self._sync.sync_adapter(entry.name)
                except UnavailableError:
                    log.warning("a removed tenant's pin of %s is gone here once the database answers", entry.name)

    def _candidates(self, ref: ReleaseRef) -> tuple[Candidate, Candidate | None]:
        """Return a release and the live release, as gates see them."""
        registry = self._registry.get()
        entry = self._catalog.current.entries.get(ref.name)
        live = None if entry is None or entry.live is None else entry.name.release(entry.live)
        return registry.candidate(ref), None if live is None else registry.candidate(live)

    def _check_known(self, tenant: str) -> None:
        if not self._callers.current.knows(tenant):
            raise NotFoundError(f"there is no tenant {tenant[:64]!r}; see `postil tenants list`")

    async def try_out(self, ref: ReleaseRef, act: Callable[[], Any]) -> AdapterState:
        """As ``change_loaded``, with the release's installed plugins set up before."""
        await self._load(ref)
        await self._set_up(await self._loaded_release(ref))
        return await self._move_loaded(ref, act)

    async def change_loaded(self, ref: ReleaseRef, act: Callable[[], Any]) -> AdapterState:
        """Load a release, run a change to its adapter and serve the result; returns the adapter's new state."""
        await self._load(ref)
        return await self._move_loaded(ref, act)

    async def _move_loaded(self, ref: ReleaseRef, act: Callable[[], Any]) -> AdapterState:
        name = AdapterName(ref.domain, ref.adapter)
        async with self._locks.of(name):
            # Usually loaded already, unless it was evicted while this waited for the lock. If the engine was lost
            # meanwhile, the change stands: the next engine loads what is live.
            with suppress(EngineUnavailableError):
                await self._load(ref)
            return await self._changed(name, act)

    async def change(self, name: AdapterName, act: Callable[[], Any]) -> AdapterState:
        """Run a change to an adapter and serve the result; returns the adapter's new state."""
        async with self._locks.of(name):
            return await self._changed(name, act)

    async def _changed(self, name: AdapterName, act: Callable[[], Any]) -> AdapterState:
        acted = False

        def noted() -> None:
            nonlocal acted
            act()
            acted = True

        try:
            await self._sync.sync_adapter(name, noted)
            return await asyncio.to_thread(self._registry.get().state, name)
        except UnavailableError:
            with after_a_change() if acted else nullcontext():
                raise

    async def _load(self, ref: ReleaseRef) -> None:
        _, adapter_cache = self._engine.ready()
        release = await self._loaded_release(ref)
        try:
            await adapter_cache.check(release.artifact, ref.domain)
            await adapter_cache.ensure_loaded(release.engine_name, release.artifact, ref.domain)
        except LoadError as error:
            raise RefusedError(f"{ref} was left as it is, because it cannot be loaded: {error}") from error

    async def _ask_once(self, ref: ReleaseRef) -> None:
        """Ask a loaded release under its policy. Raises RefusedError with the engine's reason."""
        client, _ = self._engine.ready()
        release = await self._loaded_release(ref)
        if (reason := await refusal(client, release)) is not None:
            raise RefusedError(
                f"{ref} was left as it is, because the engine refuses what its policy asks; correct it: {reason}"
            )
        if (reason := await too_long(client, release.policy)) is not None:
            raise RefusedError(f"{ref} was left as it is, because {reason}: no such answer could be whole; raise it")

    async def _loaded_release(self, ref: ReleaseRef) -> LoadedRelease:
        """Return a release that is ready to load; usually the catalog has it already."""
        entry = self._catalog.current.entries.get(ref.name)
        if entry is not None and ref.number in entry.releases:
            return entry.releases[ref.number]
        registry = self._registry.get()
        release = await asyncio.to_thread(registry.usable, ref)
        if release.base_revision != registry.base.revision:
            raise RefusedError(
                f"{ref} was made for another base ({release.base_id}); publish one trained on {registry.base.id}"
            )
        return load_release(release_spec(release), self._plugins)
