"""``/api/v1/adapters/.../canary | shadow | pins``: try releases out, and pin tenants to releases."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from litestar import delete, get, put
from litestar.params import FromPath, FromQuery, JSONBody

from postil.gateway.api.admin.params import AnyRequest, actor, adapter_name, caller_of
from postil.gateway.api.admin.schemas.adapters import Adapter, ViewAdapter
from postil.gateway.api.admin.schemas.agreement import AgreementPage, show_agreement
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.control.releases import ReleaseService
from postil.gateway.errors import NotFoundError
from postil.gateway.inference.shadow import Shadows
from postil.gateway.tenancy.permissions import Permission
from postil.registry.releases import shadow_agreement as agreements
from postil.registry.releases.channels import CANARY, SHADOW, Precondition


class PointBody(msgspec.Struct, forbid_unknown_fields=True):
    """A release, its percentage of the traffic, and why; ``if_revision`` sets it only if the channel has not moved."""

    release: int
    weight: float
    reason: str = ""
    if_revision: int | None = None


class PinBody(msgspec.Struct, forbid_unknown_fields=True):
    """The release that a tenant is pinned to, and why."""

    release: int
    reason: str = ""


def channel_routes(
    releases: ReleaseService, registry: RegistryHandle, view: ViewAdapter, shadows: Shadows
) -> list[Any]:
    """Return the routes for canaries, shadows, shadow agreement and pins."""
    return [*_channel_routes(releases, view), _agreement_route(registry, shadows), *_pin_routes(releases, view)]


def _channel_routes(releases: ReleaseService, view: ViewAdapter) -> list[Any]:
    @put("/adapters/{domain:str}/{adapter:str}/channels/{which:str}", may=Permission.PUBLISH)
    async def point(
        request: AnyRequest,
        domain: FromPath[str],
        adapter: FromPath[str],
        which: FromPath[str],
        data: JSONBody[PointBody],
    ) -> Adapter:
        ref = adapter_name(domain, adapter).release(data.release)
        state = await releases.point(
            ref,
            _channel(which),
            data.weight,
            reason=data.reason,
            actor=actor(request),
            only=Precondition(revision=data.if_revision),
        )
        return view(state, caller_of(request))

    @delete("/adapters/{domain:str}/{adapter:str}/channels/{which:str}", status_code=200, may=Permission.PUBLISH)
    async def clear(
        request: AnyRequest,
        domain: FromPath[str],
        adapter: FromPath[str],
        which: FromPath[str],
        reason: FromQuery[str] = "",
    ) -> Adapter:
        name = adapter_name(domain, adapter)
        state = await releases.clear(name, _channel(which), reason=reason, actor=actor(request))
        return view(state, caller_of(request))

    return [point, clear]


def _agreement_route(registry: RegistryHandle, shadows: Shadows) -> Any:
    @get("/adapters/{domain:str}/{adapter:str}/agreement", may=Permission.SEE)
    async def agreement(domain: FromPath[str], adapter: FromPath[str]) -> AgreementPage:
        await shadows.flush()
        name = adapter_name(domain, adapter)
        found = await asyncio.to_thread(agreements.of, registry.database(), name)
        return AgreementPage(data=list(map(show_agreement, found)))

    return agreement


def _pin_routes(releases: ReleaseService, view: ViewAdapter) -> list[Any]:
    @put("/adapters/{domain:str}/{adapter:str}/pins/{tenant:str}", may=Permission.ADMINISTER)
    async def pin(
        request: AnyRequest,
        domain: FromPath[str],
        adapter: FromPath[str],
        tenant: FromPath[str],
        data: JSONBody[PinBody],
    ) -> Adapter:
        ref = adapter_name(domain, adapter).release(data.release)
        state = await releases.pin(tenant, ref, reason=data.reason, actor=actor(request))
        return view(state, caller_of(request))

    @delete("/adapters/{domain:str}/{adapter:str}/pins/{tenant:str}", status_code=200, may=Permission.ADMINISTER)
    async def unpin(
        request: AnyRequest,
        domain: FromPath[str],
        adapter: FromPath[str],
        tenant: FromPath[str],
        reason: FromQuery[str] = "",
    ) -> Adapter:
        name = adapter_name(domain, adapter)
        state = await releases.unpin(tenant, name, reason=reason, actor=actor(request))
        return view(state, caller_of(request))

    return [pin, unpin]


def _channel(which: str) -> str:
    if which not in (CANARY, SHADOW):
        raise NotFoundError(f"there is no channel {which[:20]!r} to set; there are {CANARY} and {SHADOW}")
    return which
