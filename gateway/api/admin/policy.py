"""``/api/v1/policy-schema``: the JSON Schema of policies on this gateway."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import get

from postil.gateway.tenancy.permissions import Permission
from postil.plugins.manager import PluginManager
from postil.registry.policy.schema import policy_schema


def policy_routes(plugins: PluginManager) -> list[Any]:
    """Return the routes about policies."""

    @get("/policy-schema", may=Permission.LOOK)
    async def schema() -> dict[str, Any]:
        return await asyncio.to_thread(policy_schema, plugins)

    return [schema]
