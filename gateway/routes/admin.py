"""``/api``: promote, roll back, tenants, status. For the admin key only."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from litestar import Router, delete, get, post
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody

from postil.gateway import releasing, views
from postil.gateway.errors import ForbiddenError
from postil.gateway.lifecycle import Gateway
from postil.gateway.offers import offers
from postil.gateway.routes.channels import channel_routes
from postil.gateway.routes.compare import compare_routes
from postil.gateway.routes.export import export_routes
from postil.gateway.routes.gc import gc_routes
from postil.gateway.routes.parts import AnyRequest, actor, adapter_name
from postil.gateway.routes.policy import policy_routes
from postil.gateway.routes.publish import publish_routes
from postil.gateway.routes.reviews import admin_review_routes
from postil.gateway.routes.signing import signing_routes
from postil.plugins import ReleaseRef
from postil.registry import history
from postil.registry.channels import Only
from postil.registry.names import parse_adapter
from postil.registry.tenants import add_tenant, list_tenants


class PromoteBody(msgspec.Struct, forbid_unknown_fields=True):
    """Which release to make live, and why.

    With ``if_live``, only if that one is live still (0: if none is); with ``if_revision``, only if nobody has moved
    ``stable`` since. ``dry_run`` checks all of it and changes nothing.
    """

    release: int
    reason: str = ""
    if_live: int | None = None
    if_revision: int | None = None
    dry_run: bool = False


class RollbackBody(msgspec.Struct, forbid_unknown_fields=True):
    """Where to go back to (the release that was live before, if left out), and why."""

    to: int | None = None
    reason: str = ""
    if_live: int | None = None
    if_revision: int | None = None
    dry_run: bool = False


class TenantBody(msgspec.Struct, forbid_unknown_fields=True):
    """A tenant to add."""

    name: str
    domains: list[str]
    default_domain: str | None = None


def admin_router(gateway: Gateway) -> Router:
    """Every admin route over one gateway, behind one guard."""

    def only_admin(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        caller = gateway.directory.identify(connection.headers.get("authorization"))
        if not caller.admin:
            raise ForbiddenError("this key is not the admin's; use the one in $POSTIL_HOME/admin.key")

    return Router(
        "/api",
        guards=[only_admin],
        route_handlers=[
            *_release_routes(gateway),
            *publish_routes(gateway),
            *export_routes(gateway),
            *_move_routes(gateway),
            *channel_routes(gateway),
            *admin_review_routes(gateway),
            *_history_routes(gateway),
            *compare_routes(gateway),
            *policy_routes(gateway),
            *gc_routes(gateway),
            *signing_routes(gateway),
            *_tenant_routes(gateway),
            *_status_routes(gateway),
        ],
    )


def _release_routes(gateway: Gateway) -> list[Any]:
    @get("/adapters")
    async def adapters() -> list[dict[str, Any]]:
        states = await asyncio.to_thread(gateway.registry().adapters)
        return [views.adapter(state, gateway) for state in states]

    @get("/adapters/{domain:str}/{adapter:str}")
    async def one_adapter(domain: FromPath[str], adapter: FromPath[str]) -> dict[str, Any]:
        state = await asyncio.to_thread(gateway.registry().state, adapter_name(domain, adapter))
        return views.adapter(state, gateway)

    return [adapters, one_adapter]


def _move_routes(gateway: Gateway) -> list[Any]:
    @post("/adapters/{domain:str}/{adapter:str}/promote", status_code=200)
    async def promote(
        request: AnyRequest, domain: FromPath[str], adapter: FromPath[str], data: JSONBody[PromoteBody]
    ) -> dict[str, Any]:
        ref = adapter_name(domain, adapter).release(data.release)
        state = await releasing.promote(
            gateway, ref, reason=data.reason, actor=actor(request),
            only=Only(data.if_live, data.if_revision), dry_run=data.dry_run,
        )
        return _moved(views.adapter(state, gateway), ref, data.dry_run)

    @post("/adapters/{domain:str}/{adapter:str}/rollback", status_code=200)
    async def rollback(
        request: AnyRequest, domain: FromPath[str], adapter: FromPath[str], data: JSONBody[RollbackBody]
    ) -> dict[str, Any]:
        ref = await releasing.rollback_target(gateway, adapter_name(domain, adapter), data.to)
        state = await releasing.rollback(
            gateway, ref, reason=data.reason, actor=actor(request),
            only=Only(data.if_live, data.if_revision), dry_run=data.dry_run,
        )
        return _moved(views.adapter(state, gateway), ref, data.dry_run)

    return [promote, rollback]


def _moved(state: dict[str, Any], ref: ReleaseRef, dry_run: bool) -> dict[str, Any]:
    return {**state, "would_be_live": str(ref)} if dry_run else state


def _history_routes(gateway: Gateway) -> list[Any]:
    @get("/events")
    async def events(adapter: FromQuery[str | None] = None) -> list[dict[str, Any]]:
        name = None if adapter is None else parse_adapter(adapter)
        found = await asyncio.to_thread(history.log, gateway.registry().database, name)
        return [views.event(event) for event in found]

    @get("/audit")
    async def audit() -> dict[str, Any]:
        report = await asyncio.to_thread(history.verify, gateway.registry().database)
        return {"events": report.events, "first_break": report.first_break}

    @get("/live")
    async def live(at: FromQuery[str]) -> dict[str, int]:
        instant = history.parse_instant(at)
        return history.live_at(await asyncio.to_thread(history.log, gateway.registry().database), instant)

    return [events, audit, live]


def _tenant_routes(gateway: Gateway) -> list[Any]:
    @get("/tenants")
    async def tenants() -> list[dict[str, Any]]:
        found = await asyncio.to_thread(list_tenants, gateway.registry().database)
        return [views.tenant(tenant) for tenant in found]

    @post("/tenants")
    async def add(request: AnyRequest, data: JSONBody[TenantBody]) -> dict[str, Any]:
        tenant, key = await asyncio.to_thread(
            add_tenant, gateway.registry().database, data.name, data.domains,
            default=data.default_domain, actor=actor(request),
        )
        await gateway.refresh_tenants()
        return {**views.tenant(tenant), "key": key}

    @delete("/tenants/{name:str}")
    async def remove(request: AnyRequest, name: FromPath[str]) -> None:
        await releasing.remove_tenant(gateway, name, actor=actor(request))

    return [tenants, add, remove]


def _status_routes(gateway: Gateway) -> list[Any]:
    @get("/status", sync_to_thread=False)
    def status() -> dict[str, Any]:
        return views.status(gateway)

    @get("/plugins")
    async def plugins() -> list[dict[str, Any]]:
        return await asyncio.to_thread(offers, gateway.plugins)

    return [status, plugins]
