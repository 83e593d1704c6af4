"""``/api/v1/domains``: which keys a domain's adapters have to be signed with."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from litestar import get, put
from litestar.params import FromPath, JSONBody

from postil.gateway.api.admin.params import AnyRequest, actor
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.tenancy.permissions import Permission
from postil.registry.signing.requirements import Requirement, SignatureGate, require, requirements


class KeysBody(msgspec.Struct, forbid_unknown_fields=True):
    """The public keys (PEM) that a domain accepts from now on, and no others; none: it needs no signatures."""

    keys: list[str]
    reason: str = ""


def signing_routes(registry: RegistryHandle, signatures: SignatureGate) -> list[Any]:
    """What domains require of signatures: to see, and to change."""

    @get("/domains", may=Permission.SEE_KEYS)
    async def domains() -> list[dict[str, Any]]:
        found = await asyncio.to_thread(requirements, registry.database())
        return [_shown(one) for one in found]

    @put("/domains/{domain:str}/signing-keys", may=Permission.ADMINISTER)
    async def signing_keys(request: AnyRequest, domain: FromPath[str], data: JSONBody[KeysBody]) -> dict[str, Any]:
        return _shown(await asyncio.to_thread(_change, registry, signatures, domain, data, actor(request)))

    return [domains, signing_keys]


def _change(registry: RegistryHandle, signatures: SignatureGate, domain: str, data: KeysBody, by: str) -> Requirement:
    try:
        return require(registry.database(), domain, data.keys, reason=data.reason, actor=by)
    finally:
        # Whatever came of it: a database that is lost while it commits may have the keys.
        signatures.forget([domain])


def _shown(found: Requirement) -> dict[str, Any]:
    return {
        "domain": found.domain,
        "signature_required": bool(found.keys),
        "keys": [{"fingerprint": key.fingerprint, "pem": key.pem} for key in found.keys],
        "unsigned": [str(ref) for ref in found.unsigned],
    }
