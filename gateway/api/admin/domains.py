"""``/api/v1/domains/.../freeze | unfreeze | sources``: what an admin sets for a domain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from litestar import post, put
from litestar.params import FromPath, JSONBody

from postil.gateway.api.admin.params import AnyRequest, NeededReasonBody, ReasonBody, actor
from postil.gateway.api.admin.schemas.signing import Domain, show_domain
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.tenancy.permissions import Permission
from postil.registry.releases import freeze, sources
from postil.registry.releases.quotas import DomainQuotas
from postil.registry.signing.requirements import requirement


class SourcesBody(msgspec.Struct, forbid_unknown_fields=True):
    """What the domain's publishers may fetch with the gateway's token, such as ``hf://org/*``; replaces all earlier."""

    sources: list[str]
    reason: str = ""


def domain_routes(registry: RegistryHandle, defaults: DomainQuotas) -> list[Any]:
    """Return the routes that freeze and unfreeze a domain, and set its sources."""

    async def changed(act: Callable[..., object], request: AnyRequest, name: str, *given: Any, reason: str) -> Domain:
        work = partial(act, registry.database(), name, *given, reason=reason, actor=actor(request))
        await asyncio.to_thread(work)
        return show_domain(await asyncio.to_thread(requirement, registry.database(), name), defaults)

    @post("/domains/{domain:str}/freeze", status_code=200, may=Permission.ADMINISTER)
    async def freeze_domain(request: AnyRequest, domain: FromPath[str], data: JSONBody[NeededReasonBody]) -> Domain:
        return await changed(freeze.freeze, request, domain, reason=data.reason)

    @post("/domains/{domain:str}/unfreeze", status_code=200, may=Permission.ADMINISTER)
    async def unfreeze_domain(request: AnyRequest, domain: FromPath[str], data: JSONBody[ReasonBody]) -> Domain:
        return await changed(freeze.unfreeze, request, domain, reason=data.reason)

    @put("/domains/{domain:str}/sources", may=Permission.ADMINISTER)
    async def set_sources(request: AnyRequest, domain: FromPath[str], data: JSONBody[SourcesBody]) -> Domain:
        return await changed(sources.set_sources, request, domain, data.sources, reason=data.reason)

    return [freeze_domain, unfreeze_domain, set_sources]
