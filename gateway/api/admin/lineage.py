"""``/api/v1/adapters/.../releases/N/lineage``: the way from rows to a release."""

from __future__ import annotations

from typing import Any

from litestar import get
from litestar.params import FromPath

from postil.gateway.api.admin.params import AnyRequest, actor, adapter_name
from postil.gateway.api.admin.schemas.lineage import ReleaseLineage, show_lineage
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.tenancy.permissions import Permission
from postil.gateway.threads import Threads
from postil.plugins import ReleaseRef
from postil.registry.releases.lineage import lineage_of
from postil.registry.releases.service import Registry


def lineage_routes(registry: RegistryHandle, reports: Threads) -> list[Any]:
    """Return the route of a release's lineage: digests and figures, and no row of the data."""

    @get("/adapters/{domain:str}/{adapter:str}/releases/{number:int}/lineage", may=Permission.SEE)
    async def lineage(
        request: AnyRequest, domain: FromPath[str], adapter: FromPath[str], number: FromPath[int]
    ) -> ReleaseLineage:
        ref = adapter_name(domain, adapter).release(number)
        return await reports.run(domain, actor(request), _read, registry.get(), ref)

    return [lineage]


def _read(registry: Registry, ref: ReleaseRef) -> ReleaseLineage:
    release = registry.release(ref)
    return show_lineage(release, lineage_of(release, registry.artifacts))
