"""``/api/v1/tenants``: who may ask, and what."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody

from postil.gateway.api.admin import schemas as views
from postil.gateway.api.admin.params import AnyRequest, actor, seconds
from postil.gateway.control.catalog_sync import sync_keys
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.control.releases import ReleaseService
from postil.gateway.tenancy.callers import Callers
from postil.gateway.tenancy.permissions import Permission
from postil.registry.accounts.tenants import add_tenant, tenants_and_keys


class TenantBody(msgspec.Struct, forbid_unknown_fields=True):
    """A tenant to add, with its first key, which expires in so many seconds if that is said."""

    name: str
    domains: list[str]
    default_domain: str | None = None
    expires_in: float | None = None


def tenant_routes(registry: RegistryHandle, callers: Callers, releases: ReleaseService) -> list[Any]:
    """Who may ask, and what: to see, and to change."""

    @get("/tenants", may=Permission.SEE_KEYS)
    async def tenants() -> list[dict[str, Any]]:
        found, keys = await asyncio.to_thread(tenants_and_keys, registry.database())
        return [views.tenant(tenant, keys) for tenant in found]

    @post("/tenants", may=Permission.ADMINISTER)
    async def add(request: AnyRequest, data: JSONBody[TenantBody]) -> dict[str, Any]:
        tenant, key, text = await asyncio.to_thread(
            add_tenant,
            registry.database(),
            data.name,
            data.domains,
            default=data.default_domain,
            lifetime=seconds(data.expires_in),
            actor=actor(request),
        )
        await sync_keys(callers)
        return {**views.tenant(tenant, [key]), "key": text}

    @delete("/tenants/{name:str}", may=Permission.ADMINISTER)
    async def remove(request: AnyRequest, name: FromPath[str]) -> None:
        await releases.remove_tenant(name, actor=actor(request))

    return [tenants, add, remove]
