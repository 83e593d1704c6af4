"""``/api/v1/domains/DOMAIN/quotas``: how much a domain may keep."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from litestar import get, put
from litestar.params import FromPath, JSONBody

from postil.gateway.api.admin.params import AnyRequest, actor
from postil.gateway.api.admin.schemas.signing import Quotas, show_quotas
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.tenancy.permissions import Permission
from postil.registry.releases import quotas
from postil.registry.releases.quotas import DomainQuotas


class QuotasBody(msgspec.Struct, forbid_unknown_fields=True):
    """A domain's own figures; for those that are left out the gateway's settings hold."""

    releases: int | None = None
    artifact_mib: int | None = None
    review_days: int | None = None
    open_reviews: int | None = None
    reason: str = ""


def quota_routes(registry: RegistryHandle, defaults: DomainQuotas) -> list[Any]:
    """Return the routes that show and set a domain's quotas."""

    @get("/domains/{domain:str}/quotas", may=Permission.SEE_KEYS)
    async def show(domain: FromPath[str]) -> Quotas:
        own = await asyncio.to_thread(quotas.quotas_of, registry.database(), domain)
        return show_quotas(own, defaults)

    @put("/domains/{domain:str}/quotas", may=Permission.ADMINISTER)
    async def change(request: AnyRequest, domain: FromPath[str], data: JSONBody[QuotasBody]) -> Quotas:
        named = msgspec.structs.asdict(data)
        reason = named.pop("reason")
        wanted = DomainQuotas(**named)
        await asyncio.to_thread(
            quotas.set_quotas, registry.database(), domain, wanted, reason=reason, actor=actor(request)
        )
        return show_quotas(wanted, defaults)

    return [show, change]
