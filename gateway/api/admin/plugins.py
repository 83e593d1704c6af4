"""The components of the installed plugins, and the package or file that provides each."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import get

from postil.gateway.api.admin.params import After, Limit
from postil.gateway.api.admin.schemas.components import PluginPage, show_component
from postil.gateway.tenancy.permissions import Permission
from postil.plugins.installed import ComponentInfo
from postil.plugins.manager import PluginManager
from postil.registry.db.paging import DEFAULT_LIMIT, Order, Page, page_of

_BY_NAME = Order("plugins", [("kind", str), ("name", str)])


def plugin_route(plugins: PluginManager) -> Any:
    """Return the route ``/api/v1/plugins``."""

    @get("/plugins", may=Permission.LOOK)
    async def shown(after: After = None, limit: Limit = DEFAULT_LIMIT) -> PluginPage:
        page = await asyncio.to_thread(_page, plugins, after, limit)
        return PluginPage(data=[show_component(plugins, row) for row in page.items], next=page.next)

    return shown


def _page(plugins: PluginManager, after: str | None, limit: int) -> Page[ComponentInfo]:
    rows = sorted(plugins.list_components(), key=_key)
    return page_of(rows, _BY_NAME, after, limit, _key)


def _key(row: ComponentInfo) -> tuple[str, str]:
    return row.kind, row.name
