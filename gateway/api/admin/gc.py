"""``/api/v1/gc``: delete the files of releases that are no longer used."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import post
from litestar.params import JSONBody

from postil.gateway.api.admin.params import AnyRequest, actor
from postil.gateway.api.admin.schemas.gc import CollectReport, show_collected
from postil.gateway.control.catalog_sync import CatalogSync
from postil.gateway.control.garbage import collect_garbage
from postil.gateway.control.locks import AdapterLocks
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.tenancy.permissions import Permission
from postil.gateway.threads import Threads


class CollectBody(msgspec.Struct, forbid_unknown_fields=True):
    """How many of each adapter's newest releases keep their files; ``dry_run`` changes nothing.

    Without ``keep`` the gateway's setting applies.
    """

    keep: Annotated[int, msgspec.Meta(ge=0)] | None = None
    dry_run: bool = False


def gc_routes(
    registry: RegistryHandle, sync: CatalogSync, locks: AdapterLocks, keep: int, reports: Threads
) -> list[Any]:
    """Return the route that runs a garbage collection."""

    @post("/gc", status_code=200, may=Permission.ADMINISTER)
    async def gc(request: AnyRequest, data: JSONBody[CollectBody]) -> CollectReport:
        kept = keep if data.keep is None else data.keep
        found = await collect_garbage(
            registry, sync, locks, reports, keep=kept, actor=actor(request), dry_run=data.dry_run
        )
        return show_collected(found, dry_run=data.dry_run, keep=kept)

    return [gc]
