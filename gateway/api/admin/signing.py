"""``/api/v1/domains``: the keys that a domain's adapters must be signed with."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from litestar import get, put
from litestar.params import FromPath, JSONBody

from postil.gateway.api.admin.params import After, AnyRequest, Limit, actor
from postil.gateway.api.admin.schemas.signing import Domain, DomainPage, show_domain
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.tenancy.permissions import Permission
from postil.registry.db.paging import DEFAULT_LIMIT, Order, page_of
from postil.registry.releases.quotas import DomainQuotas
from postil.registry.signing.requirements import Requirement, SignatureGate, require, requirements

_BY_NAME = Order("domains", [("domain", str)])


class KeysBody(msgspec.Struct, forbid_unknown_fields=True):
    """The public keys (PEM) that a domain accepts; they replace all earlier ones. Empty: no signatures needed."""

    keys: list[str]
    reason: str = ""


def signing_routes(registry: RegistryHandle, signatures: SignatureGate, defaults: DomainQuotas) -> list[Any]:
    """Return the routes that read and set what signatures domains require."""

    @get("/domains", may=Permission.SEE_KEYS)
    async def domains(after: After = None, limit: Limit = DEFAULT_LIMIT) -> DomainPage:
        found = await asyncio.to_thread(requirements, registry.database())
        page = page_of(found, _BY_NAME, after, limit, lambda one: [one.domain])
        return DomainPage(data=[show_domain(one, defaults) for one in page.items], next=page.next)

    @put("/domains/{domain:str}/signing-keys", may=Permission.ADMINISTER)
    async def signing_keys(request: AnyRequest, domain: FromPath[str], data: JSONBody[KeysBody]) -> Domain:
        made = await asyncio.to_thread(_change, registry, signatures, domain, data, actor(request))
        return show_domain(made, defaults)

    return [domains, signing_keys]


def _change(registry: RegistryHandle, signatures: SignatureGate, domain: str, data: KeysBody, by: str) -> Requirement:
    try:
        return require(registry.database(), domain, data.keys, reason=data.reason, actor=by)
    finally:
        # In any case: if the database connection is lost during the commit, the keys may be stored.
        signatures.forget([domain])
