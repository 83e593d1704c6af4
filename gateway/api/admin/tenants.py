"""``/api/v1/tenants``: tenants, their domains and rights."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody

from postil.gateway.api.admin.params import After, AnyRequest, Limit, NeededReasonBody, ReasonBody, actor, seconds
from postil.gateway.api.admin.schemas.accounts import (
    ForgottenTenant,
    NewTenant,
    Rights,
    TenantPage,
    TenantState,
    show_new_tenant,
    show_rights,
    show_tenant,
    show_tenant_state,
)
from postil.gateway.control.catalog_sync import sync_keys
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.control.releases import ReleaseService
from postil.gateway.errors import RefusedError
from postil.gateway.tenancy.callers import Callers
from postil.gateway.tenancy.permissions import Permission
from postil.registry.accounts import rights, tenants
from postil.registry.accounts.forget import forget_tenant
from postil.registry.accounts.rights import DEFAULT_RIGHTS
from postil.registry.db import tables
from postil.registry.db.paging import DEFAULT_LIMIT
from postil.registry.names import parse_domain


class TenantBody(msgspec.Struct, forbid_unknown_fields=True):
    """A tenant to add with its first key; the key's lifetime is in seconds, unlimited if left out."""

    name: str
    domains: list[str]
    default_domain: str | None = None
    rights: list[str] = msgspec.field(default_factory=lambda: sorted(DEFAULT_RIGHTS))
    expires_in: float | None = None


class RightsBody(msgspec.Struct, forbid_unknown_fields=True):
    """The rights to give a tenant, and those to take from it."""

    add: list[str] = []
    remove: list[str] = []


class ForgetBody(msgspec.Struct, forbid_unknown_fields=True):
    """Whether its usage is deleted too, which is sums of requests and tokens."""

    usage: bool = False


def tenant_routes(registry: RegistryHandle, callers: Callers, releases: ReleaseService, concurrent: int) -> list[Any]:
    """Return the routes that list, add and remove tenants; a new one may have ``concurrent`` requests at a time."""

    @get("/tenants", may=Permission.SEE_KEYS)
    async def list_tenants(after: After = None, limit: Limit = DEFAULT_LIMIT) -> TenantPage:
        page = await callers.change(tenants.tenants, registry.database(), after=after, limit=limit)
        return TenantPage(data=[show_tenant(tenant, keys) for tenant, keys in page.items], next=page.next)

    @post("/tenants", may=Permission.ADMINISTER)
    async def add(request: AnyRequest, data: JSONBody[TenantBody]) -> NewTenant:
        if data.default_domain is not None:
            parse_domain(data.default_domain)
        tenant, key, text = await callers.change(
            tenants.add_tenant,
            registry.database(),
            data.name,
            data.domains,
            default=data.default_domain,
            rights=data.rights,
            lifetime=seconds(data.expires_in),
            concurrent=concurrent,
            actor=actor(request),
        )
        await sync_keys(callers)
        return show_new_tenant(tenant, key, text)

    @delete("/tenants/{name:str}", may=Permission.ADMINISTER)
    async def remove(request: AnyRequest, name: FromPath[str]) -> None:
        await releases.remove_tenant(name, actor=actor(request))

    @post("/tenants/{name:str}/forget", status_code=200, may=Permission.ADMINISTER)
    async def forget(request: AnyRequest, name: FromPath[str], data: JSONBody[ForgetBody]) -> ForgottenTenant:
        counts = await asyncio.to_thread(
            forget_tenant, registry.database(), name, usage=data.usage, actor=actor(request)
        )
        return ForgottenTenant(**counts)

    return [
        *(list_tenants, add, remove, forget),
        *_rights_routes(registry, callers),
        *_switch_routes(registry, callers),
    ]


def _rights_routes(registry: RegistryHandle, callers: Callers) -> list[Any]:
    @get("/tenants/{name:str}/rights", may=Permission.SEE_KEYS)
    async def show(name: FromPath[str]) -> Rights:
        return show_rights(await callers.change(rights.rights_named, registry.database(), name))

    @patch("/tenants/{name:str}/rights", may=Permission.ADMINISTER)
    async def change(request: AnyRequest, name: FromPath[str], data: JSONBody[RightsBody]) -> Rights:
        if both := ", ".join(sorted({*data.add} & {*data.remove})):
            raise RefusedError(f"{both} cannot be both added and removed; choose one")
        found = await callers.change(
            rights.change_rights, registry.database(), name, add=data.add, remove=data.remove, actor=actor(request)
        )
        await sync_keys(callers)
        return show_rights(found)

    return [show, change]


def _switch_routes(registry: RegistryHandle, callers: Callers) -> list[Any]:
    """Return the routes with which an admin refuses and admits a tenant in an incident."""

    async def switched(act: Callable[..., tables.Tenant], request: AnyRequest, name: str, reason: str) -> TenantState:
        work = partial(act, registry.database(), name, reason=reason, actor=actor(request))
        tenant = await callers.change(work)
        await sync_keys(callers)
        return show_tenant_state(tenant)

    @post("/tenants/{name:str}/refuse", status_code=200, may=Permission.ADMINISTER)
    async def refuse(request: AnyRequest, name: FromPath[str], data: JSONBody[NeededReasonBody]) -> TenantState:
        return await switched(tenants.refuse_tenant, request, name, data.reason)

    @post("/tenants/{name:str}/admit", status_code=200, may=Permission.ADMINISTER)
    async def admit(request: AnyRequest, name: FromPath[str], data: JSONBody[ReasonBody]) -> TenantState:
        return await switched(tenants.admit_tenant, request, name, data.reason)

    return [refuse, admit]
