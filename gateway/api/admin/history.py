"""``/api/v1/events``, ``/api/v1/audit`` and ``/api/v1/live``: what was done, and what was live when."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import get
from litestar.params import FromQuery

from postil.gateway.api.admin import schemas as views
from postil.gateway.api.admin.auth import check_domain
from postil.gateway.api.admin.params import AnyRequest, caller_of
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.tenancy.denied_attempts import DeniedAttempts
from postil.gateway.tenancy.permissions import Permission
from postil.registry.db.paging import whole
from postil.registry.names import parse_adapter
from postil.registry.releases import history


def history_routes(registry: RegistryHandle, denied: DeniedAttempts) -> list[Any]:
    """The log, its check, and what was live at an instant."""

    @get("/events", may=Permission.SEE)
    async def events(request: AnyRequest, adapter: FromQuery[str | None] = None) -> list[dict[str, Any]]:
        name = None if adapter is None else parse_adapter(adapter)
        if name is not None:
            check_domain(denied, request, Permission.SEE, name.domain)
        found = await asyncio.to_thread(history.log, registry.database(), name)
        return views.events(found, caller_of(request))

    @get("/audit", may=Permission.AUDIT)
    async def audit() -> dict[str, Any]:
        report = await asyncio.to_thread(history.verify, registry.database())
        return {"events": report.events, "first_break": report.first_break}

    @get("/live", may=Permission.SEE)
    async def live(request: AnyRequest, at: FromQuery[str]) -> dict[str, int]:
        caller, instant = caller_of(request), history.parse_instant(at)
        found = await asyncio.to_thread(whole, history.live_at, registry.database(), instant)
        return {
            live.adapter: live.number
            for live in found
            if caller.may(Permission.SEE, parse_adapter(live.adapter).domain)
        }

    return [events, audit, live]
