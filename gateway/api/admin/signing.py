"""``/api/v1/domains``: which keys a domain's adapters have to be signed with."""

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
from postil.registry.signing.requirements import Requirement, SignatureGate, require, requirements

_BY_NAME = Order("domains", [("domain", str)])


class KeysBody(msgspec.Struct, forbid_unknown_fields=True):
    """The public keys (PEM) that a domain accepts from now on, and no others; none: it needs no signatures."""

    keys: list[str]
    reason: str = ""


def signing_routes(registry: RegistryHandle, signatures: SignatureGate) -> list[Any]:
    """What domains require of signatures: to see, and to change."""

    @get("/domains", may=Permission.SEE_KEYS)
    async def domains(after: After = None, limit: Limit = DEFAULT_LIMIT) -> DomainPage:
        found = await asyncio.to_thread(requirements, registry.database())
        page = page_of(found, _BY_NAME, after, limit, lambda one: [one.domain])
        return DomainPage(data=list(map(show_domain, page.items)), next=page.next)

    @put("/domains/{domain:str}/signing-keys", may=Permission.ADMINISTER)
    async def signing_keys(request: AnyRequest, domain: FromPath[str], data: JSONBody[KeysBody]) -> Domain:
        return show_domain(await asyncio.to_thread(_change, registry, signatures, domain, data, actor(request)))

    return [domains, signing_keys]


def _change(registry: RegistryHandle, signatures: SignatureGate, domain: str, data: KeysBody, by: str) -> Requirement:
    try:
        return require(registry.database(), domain, data.keys, reason=data.reason, actor=by)
    finally:
        # Whatever came of it: a database that is lost while it commits may have the keys.
        signatures.forget([domain])
