"""``/api/v1/events``, ``/api/v1/audit`` and ``/api/v1/live``: events, their verification, and past live releases."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from litestar import get
from litestar.params import FromQuery

from postil.gateway.api.admin.auth import check_domain
from postil.gateway.api.admin.params import After, AnyRequest, Limit, NewestFirst, caller_of
from postil.gateway.api.admin.schemas.denied import DeniedAttemptPage, show_denied
from postil.gateway.api.admin.schemas.events import (
    AuditHead,
    AuditReport,
    EventPage,
    LivePage,
    LiveRelease,
    show_events,
)
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.errors import BadRequestError
from postil.gateway.tenancy.denied_attempts import DeniedAttempts
from postil.gateway.tenancy.permissions import Permission
from postil.gateway.threads import Threads
from postil.registry.accounts import denied_attempts as stored
from postil.registry.db.paging import DEFAULT_LIMIT
from postil.registry.names import parse_adapter
from postil.registry.releases import audit, history

_HASH = re.compile("[0-9a-f]{64}")


def history_routes(registry: RegistryHandle, denied: DeniedAttempts, reports: Threads) -> list[Any]:
    """Return the routes for the event log, its verification, and the releases live at a given time."""
    return [_events_route(registry, denied), *_audit_routes(registry, reports), _live_route(registry)]


def _events_route(registry: RegistryHandle, denied: DeniedAttempts) -> Any:
    @get("/events", may=Permission.SEE)
    async def events(
        request: AnyRequest,
        adapter: FromQuery[str | None] = None,
        newest_first: NewestFirst = False,
        after: After = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> EventPage:
        name = None if adapter is None else parse_adapter(adapter)
        if name is not None:
            check_domain(denied, request, Permission.SEE, name.domain)
        caller = caller_of(request)
        page = await asyncio.to_thread(
            history.events,
            registry.database(),
            name=name,
            domains=caller.scope,
            newest_first=newest_first,
            after=after,
            limit=limit,
        )
        return EventPage(data=show_events(page.items, caller), next=page.next)

    return events


def _audit_routes(registry: RegistryHandle, reports: Threads) -> list[Any]:
    @get("/denied-attempts", may=Permission.AUDIT)
    async def denied_attempts(after: After = None, limit: Limit = DEFAULT_LIMIT) -> DeniedAttemptPage:
        page = await asyncio.to_thread(stored.list_attempts, registry.database(), after=after, limit=limit)
        return DeniedAttemptPage(data=list(map(show_denied, page.items)), next=page.next)

    @get("/audit", may=Permission.AUDIT)
    async def verified(sequence: FromQuery[int | None] = None, head: FromQuery[str | None] = None) -> AuditReport:
        if (sequence is None) != (head is None):
            raise BadRequestError("a head is a sequence and a hash; send both, or neither")
        if sequence is not None and head is not None and not _is_head(sequence, head):
            raise BadRequestError("that is no head; send the sequence and the hash that `/audit/head` told")
        kept = None if sequence is None or head is None else audit.Head(sequence, head)
        report = await reports.run("", "admins", audit.verify, registry.database(), kept)
        return AuditReport(
            events=report.events,
            first_break=report.first_break,
            differences=report.differences,
            has_head=report.has_head,
        )

    @get("/audit/head", may=Permission.AUDIT)
    async def head() -> AuditHead:
        found = await asyncio.to_thread(audit.head, registry.database())
        return AuditHead(sequence=found.sequence, hash=found.hash)

    return [denied_attempts, verified, head]


def _is_head(sequence: int, head: str) -> bool:
    return 0 <= sequence < 2**31 and _HASH.fullmatch(head) is not None


def _live_route(registry: RegistryHandle) -> Any:
    @get("/live", may=Permission.SEE)
    async def live(
        request: AnyRequest, at: FromQuery[str], after: After = None, limit: Limit = DEFAULT_LIMIT
    ) -> LivePage:
        instant, scope = history.parse_instant(at), caller_of(request).scope
        page = await asyncio.to_thread(
            history.live_at, registry.database(), instant, domains=scope, after=after, limit=limit
        )
        return LivePage(data=list(map(_live, page.items)), next=page.next)

    return live


def _live(found: history.LiveRelease) -> LiveRelease:
    return LiveRelease(adapter=found.adapter, release=f"{found.adapter}@{found.number}", number=found.number)
