"""``/metrics``: what Prometheus scrapes."""

from __future__ import annotations

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from postil.gateway.api.admin.auth import require_permission
from postil.gateway.control.metrics import MetricsText
from postil.gateway.telemetry.exposition import CONTENT_TYPE
from postil.gateway.tenancy.callers import Callers
from postil.gateway.tenancy.denied_attempts import DeniedAttempts
from postil.gateway.tenancy.permissions import Permission

PATH = "/metrics"


def metrics_route(metrics: MetricsText, callers: Callers, denied: DeniedAttempts) -> HTTPRouteHandler:
    """Return the route; it names tenants' adapters, so it asks for a key of the role ``metrics``, or an admin's."""

    @get(PATH, guards=[require_permission(callers, denied, prefix="")], may=Permission.METRICS, media_type=CONTENT_TYPE)
    async def scraped() -> Response[bytes]:
        """Everything the gateway counts, and what its engine says of itself, as text for Prometheus."""
        return Response(await metrics.text(), media_type=CONTENT_TYPE)

    return scraped
