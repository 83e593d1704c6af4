"""The ASGI application: all routes of a gateway, whose lifespan starts and stops the gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from postil.gateway.api.admin.limits import usage_routes
from postil.gateway.api.admin.reviews import review_routes
from postil.gateway.api.admin.router import admin_router
from postil.gateway.api.documented_errors import document_openai_errors
from postil.gateway.api.error_responses import exception_handlers
from postil.gateway.api.health import health_routes
from postil.gateway.api.key_connections import KeyConnections
from postil.gateway.api.openai.completions import (
    CompletionParts,
    CompletionsShortcut,
    completion_handlers,
    routes_of,
)
from postil.gateway.api.openai.models import model_routes
from postil.gateway.api.openapi import document_config
from postil.gateway.api.security_headers import SecurityHeaders
from postil.gateway.api.translated import translated_handlers
from postil.gateway.control.runtime import Runtime, Tell
from postil.gateway.inference.cost_limits import CostLimits, TenantCostLimits
from postil.gateway.server.lifecycle import Lifecycle
from postil.gateway.tenancy.rate_limiter import LocalLimits


def create_app(runtime: Runtime, tell: Tell = lambda step, text: None) -> ASGIApp:
    """Return the ASGI application of a gateway. ``tell(step, text)`` is called as startup proceeds."""
    parts = completion_parts(runtime)
    handlers = completion_handlers(parts), translated_handlers(parts)
    app = CompletionsShortcut(make_litestar(runtime, parts, tell), *handlers)
    return KeyConnections(app, lambda: runtime.callers.current, runtime.settings.tenant_connections)


def completion_parts(runtime: Runtime) -> CompletionParts:
    """Return the parts that the endpoints that answer need."""
    settings = runtime.settings
    limits = (settings.body_limit_mib << 20, TenantCostLimits(CostLimits.of(settings)), settings.prompt_logprobs)
    return CompletionParts(
        runtime.context, runtime.callers, runtime.denied_attempts, LocalLimits(runtime.limits), runtime.traffic, *limits
    )


def make_litestar(runtime: Runtime, parts: CompletionParts, tell: Tell = lambda step, text: None) -> Litestar:
    """Build the litestar application with all routes, the admin API among them, and one error format."""
    lifecycle = Lifecycle(runtime, tell)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        lifecycle.start()
        try:
            yield
        finally:
            await lifecycle.stop()

    app = Litestar(
        route_handlers=[
            *routes_of({**completion_handlers(parts), **translated_handlers(parts)}),
            *document_openai_errors(_tenant_routes(runtime)),
            *health_routes(runtime.engine, runtime.traffic, runtime.tasks),
            admin_router(runtime),
        ],
        lifespan=[lifespan],
        exception_handlers=exception_handlers(),
        openapi_config=document_config(),
        logging_config=None,
    )
    app.asgi_handler = SecurityHeaders(app.asgi_handler)
    return app


def _tenant_routes(runtime: Runtime) -> list[HTTPRouteHandler]:
    """Return a tenant's routes other than completions."""
    return [
        *model_routes(runtime.catalog, runtime.callers, runtime.denied_attempts),
        *review_routes(
            runtime.reviews, runtime.callers, runtime.denied_attempts, LocalLimits(runtime.limits), runtime.readings
        ),
        *usage_routes(
            runtime.registry, runtime.callers, runtime.ledger, runtime.denied_attempts, runtime.pools.reports
        ),
    ]
