"""Promote, roll back, try out and pin on a running gateway: load first, then move the pointer, then the snapshot."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any

from postil.gateway.control.catalog_sync import sync_adapter, sync_keys
from postil.gateway.control.runtime import Gateway
from postil.gateway.engine.adapter_cache import LoadError
from postil.gateway.errors import NotFoundError, RefusedError
from postil.gateway.inference.routing.release import LoadedRelease, load_release, release_spec
from postil.plugins import Candidate, ReleaseRef
from postil.registry.accounts import tenants
from postil.registry.db.outage import after_a_change
from postil.registry.errors import UnavailableError
from postil.registry.names import AdapterName
from postil.registry.releases import channels
from postil.registry.releases.channels import ANY, Precondition
from postil.registry.releases.state import AdapterState

log = logging.getLogger(__name__)


async def promote(
    gateway: Gateway, ref: ReleaseRef, *, reason: str, actor: str, only: Precondition = ANY, dry_run: bool = False
) -> AdapterState:
    """Make a release live; returns the adapter as it is then. With ``dry_run`` it is checked, and loaded, and left."""
    if gateway.extensions.guards:
        await gateway.extensions.let_through(*await asyncio.to_thread(_candidates, gateway, ref))
    act = partial(gateway.registry().promote, ref, reason=reason, actor=actor, only=only, dry_run=dry_run)
    return await _move(gateway, ref, act)


def _candidates(gateway: Gateway, ref: ReleaseRef) -> tuple[Candidate, Candidate | None]:
    """A release and the one that is live now, as gates see them."""
    registry = gateway.registry()
    entry = gateway.catalog.entries.get(ref.name)
    live = None if entry is None or entry.live is None else entry.name.release(entry.live)
    return registry.candidate(ref), None if live is None else registry.candidate(live)


async def rollback_target(gateway: Gateway, name: AdapterName, to: int | None) -> ReleaseRef:
    """The release to go back to: the one numbered ``to``, else the one that was live before."""
    if to is not None:
        return name.release(to)
    return await asyncio.to_thread(gateway.registry().rollback_target, name)


async def rollback(
    gateway: Gateway,
    ref: ReleaseRef,
    *,
    reason: str,
    actor: str,
    only: Precondition = ANY,
    dry_run: bool = False,
    details: Mapping[str, Any] | None = None,
) -> AdapterState:
    """Make a release live again that was live before; otherwise as ``promote``."""
    act = partial(
        gateway.registry().rollback, ref, reason=reason, actor=actor, only=only, dry_run=dry_run, details=details
    )
    return await _move(gateway, ref, act)


async def point(
    gateway: Gateway, ref: ReleaseRef, which: str, weight: float, *, reason: str, actor: str, only: Precondition = ANY
) -> AdapterState:
    """Make a release the canary or the shadow, with its share of the traffic in per cent, or change that share."""
    act = partial(
        channels.point, gateway.registry().database, ref, which, weight, reason=reason, actor=actor, only=only
    )
    return await _move(gateway, ref, act)


async def clear(
    gateway: Gateway,
    name: AdapterName,
    which: str,
    *,
    reason: str,
    actor: str,
    only: Precondition = ANY,
    details: Mapping[str, Any] | None = None,
) -> AdapterState:
    """End a canary or a shadow."""
    act = partial(
        channels.clear,
        gateway.registry().database,
        name,
        which,
        reason=reason,
        actor=actor,
        only=only,
        details=details,
    )
    return await change(gateway, name, act)


async def pin(gateway: Gateway, tenant: str, ref: ReleaseRef, *, reason: str, actor: str) -> AdapterState:
    """Give a tenant this release, whatever is live. Raises NotFoundError if there is no such tenant."""

    def act() -> None:
        _check_known(gateway, tenant)  # Once more: it may have been removed while the release was loaded.
        channels.pin(gateway.registry().database, tenant, ref, reason=reason, actor=actor)

    _check_known(gateway, tenant)
    return await _move(gateway, ref, act)


async def unpin(gateway: Gateway, tenant: str, name: AdapterName, *, reason: str, actor: str) -> AdapterState:
    """Let a tenant follow what is live again."""
    act = partial(channels.unpin, gateway.registry().database, tenant, name, reason=reason, actor=actor)
    return await change(gateway, name, act)


async def remove_tenant(gateway: Gateway, name: str, *, actor: str) -> None:
    """Remove a tenant: its keys are refused at once, and its pins go. Raises NotFoundError."""
    await asyncio.to_thread(tenants.remove_tenant, gateway.registry().database, name, actor=actor)
    await sync_keys(gateway)
    async with gateway.change_lock:
        for entry in [entry for entry in gateway.catalog.entries.values() if name in entry.pins]:
            try:
                await sync_adapter(gateway, entry.name)
            except UnavailableError:
                log.warning("a removed tenant's pin of %s is gone here once the database answers", entry.name)


def _check_known(gateway: Gateway, tenant: str) -> None:
    if not gateway.directory.knows(tenant):
        raise NotFoundError(f"there is no tenant {tenant[:64]!r}; see `postil tenants list`")


async def _move(gateway: Gateway, ref: ReleaseRef, act: Callable[[], Any]) -> AdapterState:
    async with gateway.change_lock:
        await _load(gateway, ref)
        return await _changed(gateway, AdapterName(ref.domain, ref.adapter), act)


async def change(gateway: Gateway, name: AdapterName, act: Callable[[], Any]) -> AdapterState:
    """Do something to an adapter and serve it so; returns it as it is then."""
    async with gateway.change_lock:
        return await _changed(gateway, name, act)


async def _changed(gateway: Gateway, name: AdapterName, act: Callable[[], Any]) -> AdapterState:
    acted = False

    def noted() -> None:
        nonlocal acted
        act()
        acted = True

    try:
        await sync_adapter(gateway, name, noted)
        return await asyncio.to_thread(gateway.registry().state, name)
    except UnavailableError:
        with after_a_change() if acted else nullcontext():
            raise


async def _load(gateway: Gateway, ref: ReleaseRef) -> None:
    _, adapter_cache = gateway.engine()
    loaded = await _loaded_release(gateway, ref)
    try:
        await adapter_cache.check(loaded.artifact, ref.domain)
        await adapter_cache.ensure_loaded(loaded.engine_name, loaded.artifact, ref.domain)
    except LoadError as error:
        raise RefusedError(f"{ref} was left as it is, because it cannot be loaded: {error}") from error


async def _loaded_release(gateway: Gateway, ref: ReleaseRef) -> LoadedRelease:
    """A release made ready; mostly the catalog has it already."""
    entry = gateway.catalog.entries.get(ref.name)
    if entry is not None and ref.number in entry.releases:
        return entry.releases[ref.number]
    registry = gateway.registry()
    release = await asyncio.to_thread(registry.usable, ref)
    if release.base_revision != registry.base.revision:
        raise RefusedError(
            f"{ref} was made for another base ({release.base_id}); publish one trained on {registry.base.id}"
        )
    return load_release(release_spec(release), gateway.plugins)
