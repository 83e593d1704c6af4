"""Whether the process lives, and whether it can answer."""

from __future__ import annotations

from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from postil.gateway.control.runtime import Gateway
from postil.gateway.engine.supervisor import Phase


def health_routes(gateway: Gateway) -> list[HTTPRouteHandler]:
    """``/health/live`` and ``/health/ready``, for whoever restarts or balances."""

    @get("/health/live", sync_to_thread=False)
    def live() -> dict[str, str]:
        return {"status": "live"}

    @get("/health/ready", sync_to_thread=False)
    def ready() -> Response[dict[str, Any]]:
        is_ready = gateway.phase is Phase.READY and not gateway.draining
        content: dict[str, Any] = {"status": "leaving" if gateway.draining else str(gateway.phase)}
        return Response(content, status_code=200 if is_ready else 503)

    return [live, ready]
