"""Liveness and readiness of the process."""

from __future__ import annotations

from typing import Literal

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from msgspec import UNSET, UnsetType

from postil.gateway.control.engine_handle import EngineHandle
from postil.gateway.control.supervised import BackgroundTasks
from postil.gateway.control.traffic import Traffic
from postil.gateway.engine.supervisor import Phase


class Liveness(msgspec.Struct, kw_only=True):
    """The process is alive."""

    status: Literal["live"] = "live"


class Readiness(msgspec.Struct, kw_only=True):
    """Whether the gateway can answer: ``ready``, or the reason. ``failing`` names the background tasks that fail."""

    status: str
    failing: list[str] | UnsetType = UNSET


_NOT_READY = ResponseSpec(Readiness, generate_examples=False, description="The gateway cannot answer now")


def health_routes(engine: EngineHandle, traffic: Traffic, tasks: BackgroundTasks) -> list[HTTPRouteHandler]:
    """Return the routes ``/health/live`` and ``/health/ready``, for supervisors and load balancers."""

    @get("/health/live", sync_to_thread=False)
    def live() -> Liveness:
        return Liveness()

    @get("/health/ready", sync_to_thread=False, responses={503: _NOT_READY})
    def ready() -> Response[Readiness]:
        status_code, content = readiness(engine, traffic, tasks)
        return Response(content, status_code=status_code)

    return [live, ready]


def readiness(engine: EngineHandle, traffic: Traffic, tasks: BackgroundTasks) -> tuple[int, Readiness]:
    """Return the HTTP status and the state; it is read in memory, from any thread."""
    status = _status(engine, traffic, tasks)
    return 200 if status == Phase.READY else 503, Readiness(status=status, failing=tasks.failing or UNSET)


def _status(engine: EngineHandle, traffic: Traffic, tasks: BackgroundTasks) -> str:
    """Return ``ready`` or the reason why not; a background task that keeps failing leaves work undone."""
    if traffic.draining:
        return "draining"
    if engine.phase is Phase.READY and tasks.broken:
        return "degraded"
    return str(engine.phase)
