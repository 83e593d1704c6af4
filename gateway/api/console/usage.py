"""``/console/usage``: requests and tokens of the last days by tenant, adapter and day, as the usage API has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any

from litestar import Response, get
from litestar.params import FromQuery

from postil.gateway.api.admin.params import AnyRequest
from postil.gateway.api.console.outcomes import Outcomes, outcomes_of
from postil.gateway.api.console.pages import Pages
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.errors import BadRequestError
from postil.gateway.telemetry.sums import Sums
from postil.gateway.tenancy.permissions import Permission
from postil.gateway.tenancy.usage_ledger import UsageLedger
from postil.gateway.threads import Threads
from postil.registry.accounts import usage
from postil.registry.db.database import Database
from postil.registry.db.tables import utcnow

# Days that can be chosen, the current one among them; days begin at midnight UTC.
PERIODS = {"1": "today", "7": "the last 7 days", "30": "the last 30 days"}
_ROWS = 100
_BAR = 160.0


@dataclass(frozen=True, slots=True)
class UsageParts:
    """What the page is made of. ``sums`` counts how requests ended since this gateway started."""

    registry: RegistryHandle
    ledger: UsageLedger
    reports: Threads
    sums: Sums
    pages: Pages


@dataclass(frozen=True, slots=True)
class Row:
    """What one tenant or adapter used, or all on one day. ``bar`` is the width of its tokens' bar."""

    name: str
    requests: int
    prompt: int
    completion: int
    retries: int
    shadows: int
    bar: float
    ended: Outcomes | None = None

    @property
    def refused(self) -> int:
        """Requests that were refused since this gateway started."""
        return 0 if self.ended is None else self.ended.counts.get("refused", 0)


@dataclass(frozen=True, slots=True)
class Group:
    """The rows of one kind, and whether there are more than are shown."""

    rows: Sequence[Row]
    more: bool


def usage_route(parts: UsageParts) -> Any:
    """Return the route of the page."""

    @get("/usage", may=Permission.SEE_USAGE)
    async def shown(request: AnyRequest, days: FromQuery[str] = "7") -> Response[str]:
        if days not in PERIODS:
            raise BadRequestError(f"there is no such period; choose one of {', '.join(PERIODS)} days")
        await parts.ledger.flush()
        since = utcnow().date() - timedelta(days=int(days) - 1)
        groups = await parts.reports.run("", "admins", partial(_read, parts.registry.database(), since))
        ended = outcomes_of(parts.sums, {entry["adapter"] for entry in groups["adapter"][0]})
        return parts.pages.page(
            request,
            "usage.html",
            periods=PERIODS,
            days=days,
            groups={by: _group(by, entries, ended, more=more) for by, (entries, more) in groups.items()},
        )

    return shown


def _read(database: Database, since: date) -> Mapping[str, tuple[Sequence[Mapping[str, Any]], bool]]:
    """The usage by each kind, and whether there is more of it. Not for the event loop."""
    found = {}
    for by in ("day", "tenant", "adapter"):
        page = usage.report(database, by, since=since, limit=_ROWS)
        found[by] = page.items, page.next is not None
    return found


def _group(by: str, entries: Sequence[Mapping[str, Any]], ended: Mapping[str, Outcomes], *, more: bool) -> Group:
    most = max((_tokens(entry) for entry in entries), default=0) or 1
    rows = [
        Row(
            name=entry[by],
            requests=entry["requests"],
            prompt=entry["prompt_tokens"],
            completion=entry["completion_tokens"],
            retries=entry.get(usage.RETRY, {}).get("requests", 0),
            shadows=entry.get(usage.SHADOW, {}).get("requests", 0),
            bar=round(_BAR * _tokens(entry) / most, 1),
            ended=ended.get(entry[by]) if by == "adapter" else None,
        )
        for entry in entries
    ]
    return Group(rows, more)


def _tokens(entry: Mapping[str, Any]) -> int:
    return int(entry["prompt_tokens"]) + int(entry["completion_tokens"])
