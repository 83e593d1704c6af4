"""Whether the process lives, and whether it can answer."""

from __future__ import annotations

from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from postil.gateway.control.engine_handle import EngineHandle
from postil.gateway.control.supervised import BackgroundTasks
from postil.gateway.control.traffic import Traffic
from postil.gateway.engine.supervisor import Phase


def health_routes(engine: EngineHandle, traffic: Traffic, tasks: BackgroundTasks) -> list[HTTPRouteHandler]:
    """``/health/live`` and ``/health/ready``, for whoever restarts or balances."""

    @get("/health/live", sync_to_thread=False)
    def live() -> dict[str, str]:
        return {"status": "live"}

    @get("/health/ready", sync_to_thread=False)
    def ready() -> Response[dict[str, Any]]:
        status = _status(engine, traffic, tasks)
        content: dict[str, Any] = {"status": status}
        if tasks.failing:
            content["failing"] = tasks.failing
        return Response(content, status_code=200 if status == Phase.READY else 503)

    return [live, ready]


def _status(engine: EngineHandle, traffic: Traffic, tasks: BackgroundTasks) -> str:
    """``ready``, or why not: a background task that fails again and again leaves something undone."""
    if traffic.draining:
        return "draining"
    if engine.phase is Phase.READY and tasks.broken:
        return "degraded"
    return str(engine.phase)
