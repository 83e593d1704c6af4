"""``/console``: what needs somebody, then every adapter with what is live and what is tried."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any

from litestar import Response, get
from litestar.params import FromQuery

from postil.gateway.api.admin.params import AnyRequest, caller_of
from postil.gateway.api.admin.schemas.events import Event, show_events
from postil.gateway.api.admin.status import StatusParts
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

# So many of the newest events of these kinds are looked through for what the gateway did by itself in the last days.
_EVENTS, _DAYS = 200, 7
_BY_ITSELF = ("yank", "rollback", "canary-end")
_FAILURES_SHOWN = 20
_ADAPTERS_PER_PAGE = 100
_BY_NAME = Order("console-adapters", [(None, str)])


@dataclass(frozen=True, slots=True)
class Row:
    """An adapter in the list."""

    entry: AdapterEntry
    outcomes: Outcomes | None
    # Whether the live release is loaded when somebody asks it, because the engine has no room for all of them.
    waits: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """A release that should be served and is not: why, and after how many attempts to load it."""

    release: str
    problem: str
    attempts: int


def home_route(parts: StatusParts, sums: Sums, pages: Pages) -> Any:
    """Return the route of the first page."""

    @get("/", signed_in=True)
    async def home(request: AnyRequest, after: FromQuery[str | None] = None) -> Response[str]:
        caller = caller_of(request)
        entries = _entries(parts, caller)
        rows = page_of(entries, _BY_NAME, after, _ADAPTERS_PER_PAGE, lambda entry: [str(entry.name)])
        outcomes = outcomes_of(sums, {str(entry.name) for entry in rows.items})
        failures = _failures(parts, entries)
        return pages.page(
            request,
            "home.html",
            reviews=await _reviews(parts, caller),
            failures=list(islice(failures, _FAILURES_SHOWN)),
            more_failures=sum(1 for _ in failures),
            moves=await _moves(parts, caller),
            engine=str(parts.engine.phase),
            problem=parts.registry.problem,
            rows=[Row(entry, outcomes.get(str(entry.name)), _waits(parts, entry)) for entry in rows.items],
            next=rows.next,
        )

    return home


def _entries(parts: StatusParts, caller: Caller) -> list[AdapterEntry]:
    """The adapters that a key may see, by name, from memory."""
    entries = parts.catalog.current.entries
    return [entries[name] for name in sorted(entries) if caller.may(Permission.SEE, entries[name].name.domain)]


def _failures(parts: StatusParts, entries: Sequence[AdapterEntry]) -> Iterator[Failure]:
    """What should be served of these adapters and is not, because its files or policy are broken or do not load."""
    for entry in entries:
        for number in sorted(entry.unservable()):
            yield Failure(str(entry.name.release(number)), entry.broken[number], 0)
        for release, _ in entry.needs:
            if (failure := parts.engine.load_failure(release)) is not None:
                yield Failure(str(release.ref), failure.reason, failure.attempts)


def _waits(parts: StatusParts, entry: AdapterEntry) -> bool:
    release = None if entry.live is None else entry.releases.get(entry.live)
    return release is not None and not parts.engine.can_serve(release) and parts.engine.load_failure(release) is None


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
        history.events,
        parts.registry.database(),
        domains=caller.scope,
        actions=_BY_ITSELF,
        newest_first=True,
        limit=_EVENTS,
    )
    since = utcnow() - timedelta(days=_DAYS)
    found = defaultdict[tuple[str, str], list[Event]](list)
    for event in show_events(page.items, caller):
        if event.actor == ACTOR and instant(event.at) >= since:
            found[event.subject, event.reason].append(event)
    return [events[-1] for events in found.values()]
