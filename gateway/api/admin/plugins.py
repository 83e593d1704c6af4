"""What the installed plugins offer, and where each of them comes from."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from litestar import get

from postil.gateway.tenancy.permissions import Permission
from postil.plugins.hookspecs import PROJECT
from postil.plugins.installed import ComponentInfo
from postil.plugins.manager import PluginManager

Source = tuple[str, str, str]


def plugin_route(plugins: PluginManager) -> Any:
    """``/api/plugins``."""

    @get("/plugins", may=Permission.LOOK)
    async def shown() -> list[dict[str, Any]]:
        return await asyncio.to_thread(components, plugins)

    return shown


def components(plugins: PluginManager) -> list[dict[str, Any]]:
    """Everything on offer, as JSON: kind, name, version, where it comes from, where it runs, and its configuration.

    ``window`` is how many characters a validator has to see at once, null for all of the answer; if it depends on the
    configuration, ``window_by_configuration`` is true.
    """
    sources = _sources()
    return [_offer(plugins, row, sources) for row in plugins.list_components()]


def _offer(plugins: PluginManager, row: ComponentInfo, sources: Sequence[Source]) -> dict[str, Any]:
    distribution, version = _source(row.plugin, sources)
    shown = {
        "kind": row.kind,
        "name": row.name,
        "version": row.version,
        "plugin": row.plugin,
        "distribution": distribution,
        "distribution_version": version,
        "runs_apart": not plugins.is_builtin(plugins.component(row.kind, row.name)),
        "config_schema": row.schema,
    }
    return shown | _needs(row)


def _needs(row: ComponentInfo) -> dict[str, Any]:
    """What a validator has to see, and with what beside it."""
    if row.kind != "validator":
        return {}
    return {
        "window": row.window,
        "window_by_configuration": row.window_by_configuration,
        "needs_tokens": row.needs_tokens,
    }


def _sources() -> list[Source]:
    """The packages of the installed plugins: of each, where its code is, its distribution, and that one's version."""
    points = metadata.entry_points(group=PROJECT)
    found = [(point.module.partition(".")[0], point.dist.name, point.dist.version) for point in points if point.dist]
    return [("postil", PROJECT, metadata.version(PROJECT)), *found]


def _source(module: str, sources: Sequence[Source]) -> tuple[str | None, str | None]:
    package = module.partition(".")[0]
    return next(((name, version) for top, name, version in sources if top == package), (None, None))
