"""``/console``: what needs somebody, then every adapter with what is live and what is tried."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from litestar import Response, get
from litestar.params import FromQuery

from postil.gateway.api.admin.params import AnyRequest, caller_of
from postil.gateway.api.admin.schemas.events import Event, show_events
from postil.gateway.api.admin.schemas.status import WantedRelease
from postil.gateway.api.admin.status import StatusParts, status
from postil.gateway.api.console.outcomes import Outcomes, outcomes_of
from postil.gateway.api.console.pages import Pages
from postil.gateway.api.console.shown import instant
from postil.gateway.control.auto_rollback import ACTOR
from postil.gateway.inference.routing.catalog import AdapterEntry
from postil.gateway.telemetry.sums import Sums
from postil.gateway.tenancy.directory import Caller
from postil.gateway.tenancy.permissions import Permission
from postil.registry.db.paging import Order, page_of
from postil.registry.db.tables import utcnow
from postil.registry.releases import history
from postil.registry.reviews.waiting import OpenReviews, open_reviews

# So many of the newest events are looked through for what the gateway did by itself in the last days.
_EVENTS, _DAYS = 200, 7
_BY_ITSELF = ("yank", "rollback", "canary-end")
_ADAPTERS_PER_PAGE = 100
_BY_NAME = Order("console-adapters", [(None, str)])


@dataclass(frozen=True, slots=True)
class Row:
    """An adapter in the list."""

    entry: AdapterEntry
    outcomes: Outcomes | None


def home_route(parts: StatusParts, sums: Sums, pages: Pages) -> Any:
    """Return the route of the first page."""

    @get("/", signed_in=True)
    async def home(request: AnyRequest, after: FromQuery[str | None] = None) -> Response[str]:
        caller = caller_of(request)
        rows = page_of(_entries(parts, caller), _BY_NAME, after, _ADAPTERS_PER_PAGE, lambda entry: [str(entry.name)])
        outcomes = outcomes_of(sums, {str(entry.name) for entry in rows.items})
        state = status(parts, caller)
        return pages.page(
            request,
            "home.html",
            reviews=await _reviews(parts, caller),
            failures=[one for one in state.adapters if one.problem],
            idle=_idle(state.adapters),
            moves=await _moves(parts, caller),
            engine=state,
            rows=[Row(entry, outcomes.get(str(entry.name))) for entry in rows.items],
            next=rows.next,
        )

    return home


def _entries(parts: StatusParts, caller: Caller) -> list[AdapterEntry]:
    """The adapters that a key may see, by name, from memory."""
    entries = parts.catalog.current.entries
    return [entries[name] for name in sorted(entries) if caller.may(Permission.SEE, entries[name].name.domain)]


def _idle(wanted: list[WantedRelease]) -> Mapping[str, int]:
    """How many releases of each adapter are wanted and not loaded yet, for no reason that is known."""
    return Counter(one.release.rpartition("@")[0] for one in wanted if not one.loaded and not one.problem)


async def _reviews(parts: StatusParts, caller: Caller) -> list[tuple[str, OpenReviews]]:
    """The open reviews of the domains that a key may review, the longest wait first."""
    if not caller.may(Permission.REVIEW):
        return []
    found = await asyncio.to_thread(open_reviews, parts.registry.database(), utcnow())
    theirs = [(domain, waiting) for domain, waiting in found.items() if caller.may(Permission.REVIEW, domain)]
    return sorted(theirs, key=lambda pair: -pair[1].oldest_seconds)


async def _moves(parts: StatusParts, caller: Caller) -> list[Event]:
    """What the gateway did to releases by itself in the last days, the newest first, once for each release."""
    if not caller.may(Permission.SEE):
        return []
    page = await asyncio.to_thread(
        history.events, parts.registry.database(), domains=caller.scope, newest_first=True, limit=_EVENTS
    )
    since = utcnow() - timedelta(days=_DAYS)
    found = defaultdict[tuple[str, str], list[Event]](list)
    for event in show_events(page.items, caller):
        if event.actor == ACTOR and event.action in _BY_ITSELF and instant(event.at) >= since:
            found[event.subject, event.reason].append(event)
    return [events[-1] for events in found.values()]
