"""Routes that change an adapter or a release and take nothing but a reason."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import post
from litestar.params import FromPath, JSONBody

from postil.gateway.api.admin.params import AnyRequest, ReasonBody, actor, adapter_name, caller_of
from postil.gateway.api.admin.schemas.adapters import Adapter, ViewAdapter
from postil.gateway.tenancy.permissions import Permission
from postil.registry.releases.state import AdapterState

ADAPTER_PATH = "/adapters/{domain:str}/{adapter:str}"
RELEASE_PATH = ADAPTER_PATH + "/releases/{number:int}"
Change = Callable[..., Awaitable[AdapterState]]


def adapter_change(what: str, summary: str, change: Change, view: ViewAdapter) -> Any:
    """Return the route ``what`` of an adapter; ``change`` is called with its name."""

    @post(f"{ADAPTER_PATH}/{what}", status_code=200, may=Permission.PUBLISH, summary=summary)
    async def changed(
        request: AnyRequest, domain: FromPath[str], adapter: FromPath[str], data: JSONBody[ReasonBody]
    ) -> Adapter:
        state = await change(adapter_name(domain, adapter), reason=data.reason, actor=actor(request))
        return view(state, caller_of(request))

    return changed


def release_change(what: str, summary: str, change: Change, view: ViewAdapter) -> Any:
    """Return the route ``what`` of a release; ``change`` is called with the release."""

    @post(f"{RELEASE_PATH}/{what}", status_code=200, may=Permission.PUBLISH, summary=summary)
    async def changed(
        request: AnyRequest,
        domain: FromPath[str],
        adapter: FromPath[str],
        number: FromPath[int],
        data: JSONBody[ReasonBody],
    ) -> Adapter:
        ref = adapter_name(domain, adapter).release(number)
        return view(await change(ref, reason=data.reason, actor=actor(request)), caller_of(request))

    return changed
