"""``/console/log``: who did what to which adapter, and why."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import Response, get
from litestar.params import FromQuery

from postil.gateway.api.admin.auth import check_domain
from postil.gateway.api.admin.params import AnyRequest, caller_of
from postil.gateway.api.admin.schemas.events import show_events
from postil.gateway.api.console.pages import PREFIX, Pages
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.tenancy.denied_attempts import DeniedAttempts
from postil.gateway.tenancy.permissions import Permission
from postil.registry.names import parse_adapter
from postil.registry.releases import history

_EVENTS = 50


def log_route(registry: RegistryHandle, denied: DeniedAttempts, pages: Pages) -> Any:
    """Return the route of the log."""

    @get("/log", may=Permission.SEE)
    async def shown(
        request: AnyRequest, adapter: FromQuery[str] = "", after: FromQuery[str | None] = None
    ) -> Response[str]:
        name, caller = parse_adapter(adapter.strip()) if adapter.strip() else None, caller_of(request)
        if name is not None:
            check_domain(denied, request, Permission.SEE, name.domain, PREFIX)
        page = await asyncio.to_thread(
            history.events,
            registry.database(),
            name=name,
            domains=caller.scope,
            newest_first=True,
            after=after,
            limit=_EVENTS,
        )
        events = show_events(page.items, caller)
        return pages.page(request, "log.html", events=events, adapter=str(name or ""), next=page.next)

    return shown
