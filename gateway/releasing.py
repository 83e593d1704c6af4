"""Publish, promote and roll back on a running gateway: load first, then move the pointer, then the snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import IO, Any

from postil.gateway.catalog import make_servable
from postil.gateway.engine.residency import LoadError
from postil.gateway.errors import RefusedError
from postil.gateway.lifecycle import Gateway
from postil.plugins import ReleaseRef
from postil.registry.models import Release
from postil.registry.names import AdapterName
from postil.registry.policy import Policy
from postil.registry.releases import AdapterState, Registry
from postil.registry.sources import unpack


async def publish(
    gateway: Gateway, upload: IO[bytes], name: AdapterName, policy: Policy | None, *, note: str, actor: str
) -> tuple[Release, bool]:
    """Make a release of an uploaded tar; returns it and whether it is new. A refusal changes nothing."""
    async with gateway.changing:
        made = await asyncio.to_thread(_publish, gateway, upload, name, policy, note, actor)
        await gateway.refresh(name)
        return made


def _publish(
    gateway: Gateway, upload: IO[bytes], name: AdapterName, policy: Policy | None, note: str, actor: str
) -> tuple[Release, bool]:
    registry = gateway.registry()
    with registry.artifacts.incoming() as folder:
        unpack(upload, folder, gateway.settings.upload_limit_mib << 20)
        return registry.publish(folder, name, policy, note=note, actor=actor)


async def promote(
    gateway: Gateway, ref: ReleaseRef, *, reason: str, actor: str, if_live: int | None = None
) -> AdapterState:
    """Make a release live (with ``if_live``: if that number is live still); returns the adapter as it is then."""
    act = partial(gateway.registry().promote, ref, reason=reason, actor=actor, if_live=if_live)
    return await _move(gateway, ref, act)


async def rollback(
    gateway: Gateway, name: AdapterName, to: int | None, *, reason: str, actor: str, if_live: int | None = None
) -> AdapterState:
    """Make the release that was live before live again, or the one numbered ``to``."""
    registry = gateway.registry()
    ref = name.release(to) if to is not None else await asyncio.to_thread(registry.rollback_target, name)
    return await _move(gateway, ref, partial(registry.rollback, ref, reason=reason, actor=actor, if_live=if_live))


async def _move(gateway: Gateway, ref: ReleaseRef, act: Callable[[], Any]) -> AdapterState:
    registry = gateway.registry()
    name = AdapterName(ref.domain, ref.adapter)
    async with gateway.changing:
        await _load(gateway, registry, ref)
        await asyncio.to_thread(act)
        await gateway.refresh(name)
    return await asyncio.to_thread(registry.state, name)


async def _load(gateway: Gateway, registry: Registry, ref: ReleaseRef) -> None:
    release = await asyncio.to_thread(registry.release, ref)
    if release.base_revision != registry.base.revision:
        raise RefusedError(
            f"{ref} was made for another base ({release.base_id}); publish one trained on {registry.base.id}"
        )
    servable = make_servable(release, gateway.plugins)
    _, residency = gateway.engine()
    try:
        await residency.ensure(servable.engine_name, servable.artifact)
    except LoadError as error:
        raise RefusedError(f"{ref} was not made live, because it cannot be loaded: {error}") from error
