"""``/api/v1/adapters/.../releases/N/lineage | held-out-uses``: the way from rows to a release, and what measured it."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody

from postil.gateway.api.admin.params import AnyRequest, actor, adapter_name
from postil.gateway.api.admin.schemas.lineage import HeldOutUses, ReleaseLineage, show_lineage
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.tenancy.permissions import Permission
from postil.gateway.threads import Threads
from postil.plugins import ReleaseRef
from postil.registry.names import AdapterName
from postil.registry.releases import held_out_uses
from postil.registry.releases.lineage import lineage_of
from postil.registry.releases.service import Registry

Digest = Annotated[str, msgspec.Meta(pattern="^sha256:[0-9a-f]{64}$")]


class HeldOutBody(msgspec.Struct, forbid_unknown_fields=True):
    """The digest of a file of held-out rows, and that of the adapter which was measured with it."""

    digest: Digest
    measured: Digest


def lineage_routes(registry: RegistryHandle, reports: Threads) -> list[Any]:
    """Return the routes of a release's lineage (digests and figures, and no row), and of the use of held-out rows."""

    @get("/adapters/{domain:str}/{adapter:str}/releases/{number:int}/lineage", may=Permission.SEE)
    async def lineage(
        request: AnyRequest, domain: FromPath[str], adapter: FromPath[str], number: FromPath[int]
    ) -> ReleaseLineage:
        ref = adapter_name(domain, adapter).release(number)
        return await reports.run(domain, actor(request), _read, registry.get(), ref)

    @post("/adapters/{domain:str}/{adapter:str}/held-out-uses", status_code=200, may=Permission.PUBLISH)
    async def measured(
        request: AnyRequest, domain: FromPath[str], adapter: FromPath[str], data: JSONBody[HeldOutBody]
    ) -> HeldOutUses:
        name = adapter_name(domain, adapter)
        return await asyncio.to_thread(_note, registry.get(), name, data, actor(request))

    return [lineage, measured]


def _read(registry: Registry, ref: ReleaseRef) -> ReleaseLineage:
    release = registry.release(ref)
    found = lineage_of(release, registry.artifacts)
    digest = found.evaluation.digest if found.evaluation else ""
    uses = held_out_uses.uses(registry.database, ref.domain, digest)
    return show_lineage(release, found, uses, registry.held_out_limit)


def _note(registry: Registry, name: AdapterName, body: HeldOutBody, who: str) -> HeldOutUses:
    registry.state(name)  # Refuses an adapter that there is not.
    uses = held_out_uses.note(registry.database, name, body.digest, body.measured, actor=who)
    return HeldOutUses(digest=body.digest, uses=uses, limit=registry.held_out_limit)
