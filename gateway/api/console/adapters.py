"""``/console/adapters/DOMAIN/NAME``: what is live and tried, the releases, and what was done; and one release."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Response, get
from litestar.params import FromPath, FromQuery

from postil.gateway.api.admin.params import AnyRequest, adapter_name, caller_of
from postil.gateway.api.admin.schemas.adapters import show_release
from postil.gateway.api.admin.schemas.events import show_events
from postil.gateway.api.console.last_moves import LastMoves
from postil.gateway.api.console.notices import said_once
from postil.gateway.api.console.outcomes import outcomes_of
from postil.gateway.api.console.pages import Pages
from postil.gateway.api.console.releases import ReleaseRow, release_rows
from postil.gateway.control.analysis.comparison import SignalState
from postil.gateway.control.analysis.monitor import Monitor
from postil.gateway.control.canary_steps import StepService
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.errors import NotFoundError
from postil.gateway.inference.routing.catalog import AdapterEntry
from postil.gateway.inference.routing.catalog_holder import CatalogHolder
from postil.gateway.telemetry.sums import Sums
from postil.gateway.tenancy.permissions import Permission
from postil.plugins.manager import PluginManager
from postil.registry.db.paging import Page
from postil.registry.db.tables import Event as EventRow
from postil.registry.db.tables import Release
from postil.registry.names import AdapterName
from postil.registry.releases import history, lists

_RELEASES, _EVENTS = 25, 10


@dataclass(frozen=True, slots=True)
class AdapterPages:
    """What the pages of adapters are made of."""

    registry: RegistryHandle
    catalog: CatalogHolder
    monitor: Monitor
    sums: Sums
    plugins: PluginManager
    pages: Pages
    last_moves: LastMoves
    # Whether a candidate that is found worse is yanked.
    automatic: bool
    steps: StepService

    def entry(self, name: AdapterName) -> AdapterEntry:
        """Return an adapter as this gateway serves it. Raises NotFoundError."""
        found = self.catalog.current.entries.get(str(name))
        if found is None:
            raise NotFoundError(f"there is no adapter {name}; see the list on the first page")
        return found


def adapter_page_routes(parts: AdapterPages) -> list[Any]:
    """Return the routes of an adapter's page and of a release's."""
    return [_adapter_route(parts), _release_route(parts)]


def _adapter_route(parts: AdapterPages) -> Any:
    @get("/adapters/{domain:str}/{adapter:str}", may=Permission.SEE)
    async def shown(
        request: AnyRequest,
        domain: FromPath[str],
        adapter: FromPath[str],
        after: FromQuery[str | None] = None,
    ) -> Response[str]:
        name, caller = adapter_name(domain, adapter), caller_of(request)
        entry = parts.entry(name)
        rows = await asyncio.to_thread(_read, parts, name, after)
        lived = show_events(rows.lived, caller)
        return parts.pages.page(
            request,
            "adapter.html",
            entry=entry,
            lived=lived[0] if lived else None,
            releases=release_rows(rows.releases.items, entry),
            next=rows.releases.next,
            events=show_events(rows.events, caller),
            outcomes=outcomes_of(parts.sums, {str(name)}).get(str(name)),
            said=said_once(request),
            automatic=parts.automatic,
            steps=parts.steps.state(str(name)),
            **_comparison(parts.monitor, entry),
        )

    return shown


def _release_route(parts: AdapterPages) -> Any:
    @get("/adapters/{domain:str}/{adapter:str}/releases/{number:int}", may=Permission.SEE)
    async def shown(
        request: AnyRequest, domain: FromPath[str], adapter: FromPath[str], number: FromPath[int]
    ) -> Response[str]:
        name = adapter_name(domain, adapter)
        entry = parts.entry(name)
        row = await asyncio.to_thread(parts.registry.get().release, name.release(number))
        return parts.pages.page(
            request,
            "release.html",
            entry=entry,
            row=_row(row, entry),
            release=show_release(row, parts.plugins),
        )

    return shown


@dataclass(frozen=True, slots=True)
class _Rows:
    releases: Page[Release]
    lived: Sequence[EventRow]
    events: Sequence[EventRow]


def _read(parts: AdapterPages, name: AdapterName, after: str | None) -> _Rows:
    """A page of the releases, what moved the live one last, and what was done last: a few rows of each."""
    database = parts.registry.database()
    moved = parts.last_moves.of(database, name)
    return _Rows(
        lists.releases(database, name, newest_first=True, after=after, limit=_RELEASES),
        [] if moved is None else [moved],
        history.events(database, name=name, newest_first=True, limit=_EVENTS).items,
    )


def _row(row: Release, entry: AdapterEntry) -> ReleaseRow:
    return release_rows([row], entry)[0]


def _comparison(monitor: Monitor, entry: AdapterEntry) -> dict[str, Any]:
    """The running comparison of an adapter, and its evidence; empty where there is none."""
    watch = monitor.watch(str(entry.name))
    signals: list[SignalState] = [] if watch is None else list(watch.comparison.evidence())
    return {"watch": watch, "signals": signals}
