"""``/api/v1/adapters/.../retire | restore`` and ``/api/v1/domains/.../default``: put releases in and out of service."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import put
from litestar.params import FromPath, JSONBody

from postil.gateway.api.admin.changes import adapter_change, release_change
from postil.gateway.api.admin.params import AnyRequest, actor, adapter_name, caller_of
from postil.gateway.api.admin.schemas.adapters import Adapter, ViewAdapter
from postil.gateway.control.retire import RetireService
from postil.gateway.tenancy.permissions import Permission


class DefaultBody(msgspec.Struct, forbid_unknown_fields=True):
    """The domain's default adapter, by its name within the domain, and why."""

    adapter: str
    reason: str = ""


def retire_routes(service: RetireService, view: ViewAdapter) -> list[Any]:
    """Return the routes that retire and restore, and set a domain's default adapter."""
    return [
        adapter_change("retire", "Take an adapter out of service", service.retire_adapter, view),
        adapter_change("restore", "Put an adapter back into service", service.restore_adapter, view),
        release_change("retire", "Take a release out of service", service.retire_release, view),
        release_change("restore", "Put a release back into service", service.restore_release, view),
        _default_route(service, view),
    ]


def _default_route(service: RetireService, view: ViewAdapter) -> Any:
    @put("/domains/{domain:str}/default", may=Permission.PUBLISH)
    async def set_default(request: AnyRequest, domain: FromPath[str], data: JSONBody[DefaultBody]) -> Adapter:
        name = adapter_name(domain, data.adapter)
        state = await service.set_default(name, reason=data.reason, actor=actor(request))
        return view(state, caller_of(request))

    return set_default
