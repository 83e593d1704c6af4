"""``/console/adapters/DOMAIN/NAME/compare``: weights, figures and policy of two releases side by side."""

from __future__ import annotations

from typing import Any

from litestar import Response, get
from litestar.params import FromPath, FromQuery

from postil.gateway.api.admin.diff import compare_releases
from postil.gateway.api.admin.params import AnyRequest, adapter_name
from postil.gateway.api.admin.schemas.diff import ReleaseDiff, show_diff
from postil.gateway.api.console.adapters import AdapterPages
from postil.gateway.api.console.person import person
from postil.gateway.errors import BadRequestError
from postil.gateway.tenancy.permissions import Permission
from postil.gateway.threads import Threads


def compare_route(parts: AdapterPages, reports: Threads) -> Any:
    """Return the route that compares two releases of an adapter."""

    @get("/adapters/{domain:str}/{adapter:str}/compare", may=Permission.SEE)
    async def compare(
        request: AnyRequest,
        domain: FromPath[str],
        adapter: FromPath[str],
        to: FromQuery[int],
        than: FromQuery[int | None] = None,
    ) -> Response[str]:
        name = adapter_name(domain, adapter)
        entry = parts.entry(name)
        if than is None:
            than = entry.live if entry.live not in (None, to) else entry.previous
        if than is None:
            raise BadRequestError("name a release to compare with; no other one is live")
        # Hashing files and comparing tensors would block the event loop.
        found = await reports.run(
            domain, person(request), compare_releases, parts.registry.get(), name.release(than), name.release(to)
        )
        return parts.pages.page(request, "compare.html", entry=entry, diff=_shown(parts, found))

    return compare


def _shown(parts: AdapterPages, found: Any) -> ReleaseDiff:
    return show_diff(found, parts.plugins)
