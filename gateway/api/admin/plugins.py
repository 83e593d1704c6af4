"""What the installed plugins offer, and where each of them comes from."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import get

from postil.gateway.tenancy.permissions import Permission
from postil.plugins.installed import ComponentInfo
from postil.plugins.manager import PluginManager


def plugin_route(plugins: PluginManager) -> Any:
    """``/api/v1/plugins``."""

    @get("/plugins", may=Permission.LOOK)
    async def shown() -> list[dict[str, Any]]:
        return await asyncio.to_thread(components, plugins)

    return shown


def components(plugins: PluginManager) -> list[dict[str, Any]]:
    """Everything on offer, as JSON: kind, name, version, where it comes from, where it runs, and its configuration.

    ``window`` is how many characters a validator has to see at once, null for all of the answer; if it depends on the
    configuration, ``window_by_configuration`` is true.
    """
    return [_offer(plugins, row) for row in plugins.list_components()]


def _offer(plugins: PluginManager, row: ComponentInfo) -> dict[str, Any]:
    component = plugins.component(row.kind, row.name)
    distribution, version = plugins.distribution(component)
    shown = {
        "kind": row.kind,
        "name": row.name,
        "version": row.version,
        "plugin": row.plugin,
        "distribution": distribution or None,
        "distribution_version": version or None,
        "runs_apart": not plugins.is_builtin(component),
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
