"""``/api/v1/adapters/.../canary/steps | next | hold | continue``: canaries that are raised in steps."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import post, put
from litestar.params import FromPath, JSONBody

from postil.gateway.api.admin.params import AnyRequest, actor, adapter_name, caller_of
from postil.gateway.api.admin.schemas.adapters import Adapter, ViewAdapter
from postil.gateway.control.canary_steps import StepService
from postil.gateway.tenancy.permissions import Permission
from postil.registry.releases.channels import Precondition


class StepsBody(msgspec.Struct, forbid_unknown_fields=True):
    """A release, the rising percentages of its steps, and why; with ``hold`` each next step is made by hand.

    ``if_revision`` starts them only if the canary has not moved.
    """

    release: int
    steps: list[float]
    hold: bool = False
    reason: str = ""
    if_revision: int | None = None


class StepBody(msgspec.Struct, forbid_unknown_fields=True):
    """The release that is the canary, and why; ``if_revision`` changes it only if the canary has not moved."""

    release: int
    reason: str = ""
    if_revision: int | None = None


def canary_step_routes(steps: StepService, view: ViewAdapter) -> list[Any]:
    """Return the routes for canaries in steps."""
    return [_begin_route(steps, view), _next_route(steps, view), *_hold_routes(steps, view)]


def _begin_route(steps: StepService, view: ViewAdapter) -> Any:
    @put("/adapters/{domain:str}/{adapter:str}/canary/steps", may=Permission.PUBLISH)
    async def begin(
        request: AnyRequest, domain: FromPath[str], adapter: FromPath[str], data: JSONBody[StepsBody]
    ) -> Adapter:
        state = await steps.begin(
            adapter_name(domain, adapter).release(data.release),
            data.steps,
            hold=data.hold,
            reason=data.reason,
            actor=actor(request),
            only=Precondition(revision=data.if_revision),
        )
        return view(state, caller_of(request))

    return begin


def _next_route(steps: StepService, view: ViewAdapter) -> Any:
    @post("/adapters/{domain:str}/{adapter:str}/canary/next", status_code=200, may=Permission.PUBLISH)
    async def advance(
        request: AnyRequest, domain: FromPath[str], adapter: FromPath[str], data: JSONBody[StepBody]
    ) -> Adapter:
        ref, only = adapter_name(domain, adapter).release(data.release), Precondition(revision=data.if_revision)
        state = await steps.advance(ref, reason=data.reason, actor=actor(request), only=only)
        return view(state, caller_of(request))

    return advance


def _hold_routes(steps: StepService, view: ViewAdapter) -> list[Any]:
    async def change(request: AnyRequest, domain: str, adapter: str, data: StepBody, *, held: bool) -> Adapter:
        ref, only = adapter_name(domain, adapter).release(data.release), Precondition(revision=data.if_revision)
        state = await steps.hold(ref, held=held, reason=data.reason, actor=actor(request), only=only)
        return view(state, caller_of(request))

    @post("/adapters/{domain:str}/{adapter:str}/canary/hold", status_code=200, may=Permission.PUBLISH)
    async def hold(
        request: AnyRequest, domain: FromPath[str], adapter: FromPath[str], data: JSONBody[StepBody]
    ) -> Adapter:
        return await change(request, domain, adapter, data, held=True)

    @post("/adapters/{domain:str}/{adapter:str}/canary/continue", status_code=200, may=Permission.PUBLISH)
    async def go_on(
        request: AnyRequest, domain: FromPath[str], adapter: FromPath[str], data: JSONBody[StepBody]
    ) -> Adapter:
        return await change(request, domain, adapter, data, held=False)

    return [hold, go_on]
