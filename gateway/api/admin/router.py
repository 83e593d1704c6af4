"""``/api``: promote, roll back, the log, status; and all other routes of the admin API, behind one door."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from litestar import Router, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from postil.gateway.api.admin import schemas as views
from postil.gateway.api.admin.auth import check_domain, require_permission
from postil.gateway.api.admin.channels import channel_routes
from postil.gateway.api.admin.diff import compare_routes
from postil.gateway.api.admin.export import export_routes
from postil.gateway.api.admin.gc import gc_routes
from postil.gateway.api.admin.keys import key_routes
from postil.gateway.api.admin.limits import limit_routes
from postil.gateway.api.admin.params import AnyRequest, actor, adapter_name, caller_of
from postil.gateway.api.admin.plugins import components
from postil.gateway.api.admin.policy import policy_routes
from postil.gateway.api.admin.publish import publish_routes
from postil.gateway.api.admin.retire import retire_routes
from postil.gateway.api.admin.reviews import admin_review_routes
from postil.gateway.api.admin.signing import signing_routes
from postil.gateway.api.admin.tenants import tenant_routes
from postil.gateway.control import releases as releasing
from postil.gateway.control.runtime import Gateway
from postil.gateway.tenancy.permissions import Permission
from postil.plugins import ReleaseRef
from postil.registry.names import parse_adapter
from postil.registry.releases import history
from postil.registry.releases.channels import Precondition


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


def admin_router(gateway: Gateway) -> Router:
    """Every admin route over one gateway, behind one door."""
    return Router(
        "/api",
        guards=[require_permission(gateway)],
        route_handlers=[
            *_release_routes(gateway),
            *publish_routes(gateway),
            *export_routes(gateway),
            *_move_routes(gateway),
            *channel_routes(gateway),
            *retire_routes(gateway),
            *admin_review_routes(gateway),
            *_history_routes(gateway),
            *compare_routes(gateway),
            *policy_routes(gateway),
            *gc_routes(gateway),
            *tenant_routes(gateway),
            *key_routes(gateway),
            *limit_routes(gateway),
            *signing_routes(gateway),
            *_status_routes(gateway),
        ],
    )


def _release_routes(gateway: Gateway) -> list[Any]:
    @get("/adapters", may=Permission.SEE)
    async def adapters(request: AnyRequest) -> list[dict[str, Any]]:
        caller, states = caller_of(request), await asyncio.to_thread(gateway.registry().adapters)
        return [
            views.adapter(state, gateway, caller) for state in states if caller.may(Permission.SEE, state.name.domain)
        ]

    @get("/adapters/{domain:str}/{adapter:str}", may=Permission.SEE)
    async def one_adapter(request: AnyRequest, domain: FromPath[str], adapter: FromPath[str]) -> dict[str, Any]:
        state = await asyncio.to_thread(gateway.registry().state, adapter_name(domain, adapter))
        return views.adapter(state, gateway, caller_of(request))

    return [adapters, one_adapter]


def _move_routes(gateway: Gateway) -> list[Any]:
    @post("/adapters/{domain:str}/{adapter:str}/promote", status_code=200, may=Permission.PUBLISH)
    async def promote(
        request: AnyRequest, domain: FromPath[str], adapter: FromPath[str], data: JSONBody[PromoteBody]
    ) -> dict[str, Any]:
        ref = adapter_name(domain, adapter).release(data.release)
        state = await releasing.promote(
            gateway,
            ref,
            reason=data.reason,
            actor=actor(request),
            only=Precondition(data.if_live, data.if_revision),
            dry_run=data.dry_run,
        )
        return _moved(views.adapter(state, gateway, caller_of(request)), ref, data.dry_run)

    @post("/adapters/{domain:str}/{adapter:str}/rollback", status_code=200, may=Permission.PUBLISH)
    async def rollback(
        request: AnyRequest, domain: FromPath[str], adapter: FromPath[str], data: JSONBody[RollbackBody]
    ) -> dict[str, Any]:
        ref = await releasing.rollback_target(gateway, adapter_name(domain, adapter), data.to)
        state = await releasing.rollback(
            gateway,
            ref,
            reason=data.reason,
            actor=actor(request),
            only=Precondition(data.if_live, data.if_revision),
            dry_run=data.dry_run,
        )
        return _moved(views.adapter(state, gateway, caller_of(request)), ref, data.dry_run)

    return [promote, rollback]


def _moved(state: dict[str, Any], ref: ReleaseRef, dry_run: bool) -> dict[str, Any]:
    return {**state, "would_be_live": str(ref)} if dry_run else state


def _history_routes(gateway: Gateway) -> list[Any]:
    @get("/events", may=Permission.SEE)
    async def events(request: AnyRequest, adapter: FromQuery[str | None] = None) -> list[dict[str, Any]]:
        name = None if adapter is None else parse_adapter(adapter)
        if name is not None:
            check_domain(gateway, request, Permission.SEE, name.domain)
        found = await asyncio.to_thread(history.log, gateway.registry().database, name)
        return views.events(found, caller_of(request))

    @get("/audit", may=Permission.AUDIT)
    async def audit() -> dict[str, Any]:
        report = await asyncio.to_thread(history.verify, gateway.registry().database)
        return {"events": report.events, "first_break": report.first_break}

    @get("/live", may=Permission.SEE)
    async def live(request: AnyRequest, at: FromQuery[str]) -> dict[str, int]:
        caller, instant = caller_of(request), history.parse_instant(at)
        found = history.live_at(await asyncio.to_thread(history.log, gateway.registry().database), instant)
        return {
            name: number for name, number in found.items() if caller.may(Permission.SEE, parse_adapter(name).domain)
        }

    return [events, audit, live]


def _status_routes(gateway: Gateway) -> list[Any]:
    @get("/status", sync_to_thread=False, may=Permission.SEE)
    def status(request: AnyRequest) -> dict[str, Any]:
        return views.status(gateway, caller_of(request))

    @get("/plugins", may=Permission.LOOK)
    async def plugins() -> list[dict[str, Any]]:
        return await asyncio.to_thread(components, gateway.plugins)

    return [status, plugins]
