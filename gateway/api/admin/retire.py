"""``/api/v1/adapters/.../retire | restore`` and ``/api/v1/domains/.../default``: put releases in and out of service."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import post, put
from litestar.params import FromPath, JSONBody

from postil.gateway.api.admin.params import AnyRequest, ReasonBody, actor, adapter_name, caller_of
from postil.gateway.api.admin.schemas.adapters import Adapter, ViewAdapter
from postil.gateway.control.retire import RetireService
from postil.gateway.tenancy.permissions import Permission


class DefaultBody(msgspec.Struct, forbid_unknown_fields=True):
    """The domain's default adapter, by its name within the domain, and why."""

    adapter: str
    reason: str = ""


def retire_routes(service: RetireService, view: ViewAdapter) -> list[Any]:
    """Return the routes that retire and restore, and set a domain's default adapter."""
    return [*_adapter_routes(service, view), *_release_routes(service, view), _default_route(service, view)]


def _adapter_routes(service: RetireService, view: ViewAdapter) -> list[Any]:
    @post("/adapters/{domain:str}/{adapter:str}/retire", status_code=200, may=Permission.PUBLISH)
    async def retire_adapter(
        request: AnyRequest, domain: FromPath[str], adapter: FromPath[str], data: JSONBody[ReasonBody]
    ) -> Adapter:
        name = adapter_name(domain, adapter)
        state = await service.retire_adapter(name, reason=data.reason, actor=actor(request))
        return view(state, caller_of(request))

    @post("/adapters/{domain:str}/{adapter:str}/restore", status_code=200, may=Permission.PUBLISH)
    async def restore_adapter(
        request: AnyRequest, domain: FromPath[str], adapter: FromPath[str], data: JSONBody[ReasonBody]
    ) -> Adapter:
        name = adapter_name(domain, adapter)
        state = await service.restore_adapter(name, reason=data.reason, actor=actor(request))
        return view(state, caller_of(request))

    return [retire_adapter, restore_adapter]


def _release_routes(service: RetireService, view: ViewAdapter) -> list[Any]:
    path = "/adapters/{domain:str}/{adapter:str}/releases/{number:int}"

    @post(f"{path}/retire", status_code=200, may=Permission.PUBLISH)
    async def retire_release(
        request: AnyRequest,
        domain: FromPath[str],
        adapter: FromPath[str],
        number: FromPath[int],
        data: JSONBody[ReasonBody],
    ) -> Adapter:
        ref = adapter_name(domain, adapter).release(number)
        state = await service.retire_release(ref, reason=data.reason, actor=actor(request))
        return view(state, caller_of(request))

    @post(f"{path}/restore", status_code=200, may=Permission.PUBLISH)
    async def restore_release(
        request: AnyRequest,
        domain: FromPath[str],
        adapter: FromPath[str],
        number: FromPath[int],
        data: JSONBody[ReasonBody],
    ) -> Adapter:
        ref = adapter_name(domain, adapter).release(number)
        state = await service.restore_release(ref, reason=data.reason, actor=actor(request))
        return view(state, caller_of(request))

    return [retire_release, restore_release]


def _default_route(service: RetireService, view: ViewAdapter) -> Any:
    @put("/domains/{domain:str}/default", may=Permission.PUBLISH)
    async def set_default(request: AnyRequest, domain: FromPath[str], data: JSONBody[DefaultBody]) -> Adapter:
        name = adapter_name(domain, data.adapter)
        state = await service.set_default(name, reason=data.reason, actor=actor(request))
        return view(state, caller_of(request))

    return set_default
