"""``/api/v1/adapters/.../releases/N/evidence``: what requests have shown of a release, of all tenants and of each."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import get
from litestar.params import FromPath

from postil.gateway.api.admin.params import After, Limit, adapter_name
from postil.gateway.api.admin.schemas.evidence import (
    ReleaseEvidence,
    TenantEvidencePage,
    show_signal,
    show_tenant,
)
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.tenancy.permissions import Permission
from postil.registry.db.paging import DEFAULT_LIMIT
from postil.registry.releases import evidence

_PATH = "/adapters/{domain:str}/{adapter:str}/releases/{number:int}/evidence"


def evidence_routes(registry: RegistryHandle) -> list[Any]:
    """Return the routes for evidence: publishers see how many tenants are behind it, admins see which."""

    @get(_PATH, may=Permission.SEE)
    async def of_release(domain: FromPath[str], adapter: FromPath[str], number: FromPath[int]) -> ReleaseEvidence:
        ref = adapter_name(domain, adapter).release(number)
        found = await asyncio.to_thread(evidence.of_release, registry.database(), ref)
        return ReleaseEvidence(release=str(ref), signals=list(map(show_signal, found)))

    @get(f"{_PATH}/tenants", may=Permission.SEE_KEYS)
    async def by_tenant(
        domain: FromPath[str],
        adapter: FromPath[str],
        number: FromPath[int],
        after: After = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> TenantEvidencePage:
        ref = adapter_name(domain, adapter).release(number)
        page = await asyncio.to_thread(evidence.by_tenant, registry.database(), ref, after=after, limit=limit)
        return TenantEvidencePage(data=list(map(show_tenant, page.items)), next=page.next)

    return [of_release, by_tenant]
