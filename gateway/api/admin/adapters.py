"""``/api/v1/adapters``: list adapters, promote and roll back releases."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody

from postil.gateway.api.admin.params import (
    After,
    AnyRequest,
    Limit,
    NewestFirst,
    actor,
    adapter_name,
    caller_of,
)
from postil.gateway.api.admin.schemas.adapters import (
    Adapter,
    AdapterPage,
    ReleasePage,
    ViewAdapter,
    show_releases,
    show_summary,
)
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.control.releases import ReleaseService
from postil.gateway.inference.routing.catalog_holder import CatalogHolder
from postil.gateway.tenancy.permissions import Permission
from postil.plugins import ReleaseRef
from postil.plugins.manager import PluginManager
from postil.registry.db.paging import DEFAULT_LIMIT
from postil.registry.releases import lists
from postil.registry.releases.channels import Precondition


class PromoteBody(msgspec.Struct, forbid_unknown_fields=True):
    """The release to make live, and why.

    ``if_live`` promotes only if that release is still live (0: only if none is). ``if_revision`` promotes only if
    ``stable`` has not moved since. ``dry_run`` checks everything and changes nothing.
    """

    release: int
    reason: str = ""
    if_live: int | None = None
    if_revision: int | None = None
    dry_run: bool = False


class RollbackBody(msgspec.Struct, forbid_unknown_fields=True):
    """The release to go back to (default: the previous live release), and why."""

    to: int | None = None
    reason: str = ""
    if_live: int | None = None
    if_revision: int | None = None
    dry_run: bool = False


def adapter_routes(
    registry: RegistryHandle,
    releases: ReleaseService,
    view: ViewAdapter,
    catalog: CatalogHolder,
    plugins: PluginManager,
) -> list[Any]:
    """Return the routes that list adapters and promote and roll back releases."""
    return [*_reading(registry, view), _releases_route(registry, catalog, plugins), *_moving(releases, view)]


def _reading(registry: RegistryHandle, view: ViewAdapter) -> list[Any]:
    @get("/adapters", may=Permission.SEE)
    async def adapters(request: AnyRequest, after: After = None, limit: Limit = DEFAULT_LIMIT) -> AdapterPage:
        scope = caller_of(request).scope
        page = await asyncio.to_thread(lists.adapters, registry.database(), domains=scope, after=after, limit=limit)
        return AdapterPage(data=list(map(show_summary, page.items)), next=page.next)

    @get("/adapters/{domain:str}/{adapter:str}", may=Permission.SEE)
    async def one_adapter(request: AnyRequest, domain: FromPath[str], adapter: FromPath[str]) -> Adapter:
        state = await asyncio.to_thread(registry.get().state, adapter_name(domain, adapter))
        return view(state, caller_of(request))

    return [adapters, one_adapter]


def _releases_route(registry: RegistryHandle, catalog: CatalogHolder, plugins: PluginManager) -> Any:
    @get("/adapters/{domain:str}/{adapter:str}/releases", may=Permission.SEE)
    async def releases(
        domain: FromPath[str],
        adapter: FromPath[str],
        newest_first: NewestFirst = False,
        after: After = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> ReleasePage:
        name = adapter_name(domain, adapter)
        state = await asyncio.to_thread(registry.get().state, name)
        page = await asyncio.to_thread(
            lists.releases, registry.database(), name, newest_first=newest_first, after=after, limit=limit
        )
        return ReleasePage(data=show_releases(page.items, state, catalog.current, plugins), next=page.next)

    return releases


def _moving(releases: ReleaseService, view: ViewAdapter) -> list[Any]:
    @post("/adapters/{domain:str}/{adapter:str}/promote", status_code=200, may=Permission.PUBLISH)
    async def promote(
        request: AnyRequest, domain: FromPath[str], adapter: FromPath[str], data: JSONBody[PromoteBody]
    ) -> Adapter:
        ref = adapter_name(domain, adapter).release(data.release)
        state = await releases.promote(
            ref,
            reason=data.reason,
            actor=actor(request),
            only=Precondition(data.if_live, data.if_revision),
            dry_run=data.dry_run,
        )
        return _moved(view(state, caller_of(request)), ref, data.dry_run)

    @post("/adapters/{domain:str}/{adapter:str}/rollback", status_code=200, may=Permission.PUBLISH)
    async def rollback(
        request: AnyRequest, domain: FromPath[str], adapter: FromPath[str], data: JSONBody[RollbackBody]
    ) -> Adapter:
        ref = await releases.rollback_target(adapter_name(domain, adapter), data.to)
        state = await releases.rollback(
            ref,
            reason=data.reason,
            actor=actor(request),
            only=Precondition(data.if_live, data.if_revision),
            dry_run=data.dry_run,
        )
        return _moved(view(state, caller_of(request)), ref, data.dry_run)

    return [promote, rollback]


def _moved(state: Adapter, ref: ReleaseRef, dry_run: bool) -> Adapter:
    if dry_run:
        state.would_be_live = str(ref)
    return state
