"""The ASGI application: all routes of a gateway, whose lifespan starts and stops the gateway."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from postil.gateway.api.admin.limits import usage_routes
from postil.gateway.api.admin.reviews import review_routes
from postil.gateway.api.admin.router import admin_router, status_parts
from postil.gateway.api.console.failures import Handlers, with_failure_pages
from postil.gateway.api.console.router import Console, console_router
from postil.gateway.api.cors import letting
from postil.gateway.api.documented_errors import document_openai_errors
from postil.gateway.api.error_responses import exception_handlers
from postil.gateway.api.health import health_routes
from postil.gateway.api.key_connections import KeyConnections
from postil.gateway.api.metrics import metrics_route
from postil.gateway.api.openai.beside import routes_beside
from postil.gateway.api.openai.completions import (
    CompletionParts,
    CompletionsShortcut,
    completion_handlers,
    routes_of,
)
from postil.gateway.api.openai.fine_tuning import training_router
from postil.gateway.api.openai.models import BaseCard, model_routes
from postil.gateway.api.openapi import document_config
from postil.gateway.api.security_headers import SecurityHeaders
from postil.gateway.api.strict import StrictRequests
from postil.gateway.api.traced import traced
from postil.gateway.api.translated import translated_handlers
from postil.gateway.control.runtime import Runtime, Tell
from postil.gateway.inference.cost_limits import CostLimits, TenantCostLimits
from postil.gateway.server.lifecycle import Lifecycle
from postil.gateway.server.metrics_port import with_metrics_port
from postil.gateway.tenancy.rate_limiter import LocalLimits


def create_app(runtime: Runtime, tell: Tell = lambda step, text: None) -> ASGIApp:
    """Return the ASGI application of a gateway. ``tell(step, text)`` is called as startup proceeds."""
    parts = completion_parts(runtime)
    handlers = traced(parts.context.tracer, {**completion_handlers(parts), **translated_handlers(parts)})
    app: ASGIApp = CompletionsShortcut(make_litestar(runtime, parts, tell), handlers)
    app = KeyConnections(app, lambda: runtime.callers.current, runtime.settings.tenant_connections)
    app = with_metrics_port(app, runtime.settings.metrics_port, runtime.metrics)
    return letting(app, runtime.settings.cors_origins)


def completion_parts(runtime: Runtime) -> CompletionParts:
    """Return the parts that the endpoints that answer need."""
    settings = runtime.settings
    limits = (settings.body_limit_mib << 20, TenantCostLimits(CostLimits.of(settings)), settings.prompt_logprobs)
    who = (runtime.context, runtime.callers, runtime.denied_attempts, LocalLimits(runtime.limits), runtime.traffic)
    return CompletionParts(*who, *limits, settings.stream_comment_seconds)


def make_litestar(runtime: Runtime, parts: CompletionParts, tell: Tell = lambda step, text: None) -> Litestar:
    """Build the litestar application with all routes, the admin API among them, and one error format."""
    console = Console.read() if runtime.settings.console else None
    lifecycle = Lifecycle(runtime, tell if console is None else console.link.heard_by(tell))

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
            *routes_beside(parts, embeds=runtime.settings.engine_url is not None),
            *document_openai_errors(_tenant_routes(runtime)),
            *health_routes(runtime.engine, runtime.traffic, runtime.tasks),
            *document_openai_errors([metrics_route(runtime.metrics, runtime.callers, runtime.denied_attempts)]),
            training_router(runtime),
            admin_router(runtime),
            *([] if console is None else [console_router(runtime, console, status_parts(runtime), tell)]),
        ],
        lifespan=[lifespan],
        exception_handlers=_exception_handlers(console),
        before_request=StrictRequests(),
        openapi_config=document_config(),
        logging_config=None,
    )
    app.asgi_handler = SecurityHeaders(app.asgi_handler)
    return app


def _exception_handlers(console: Console | None) -> Handlers:
    handlers = exception_handlers()
    return handlers if console is None else with_failure_pages(handlers, console.pages)


def _tenant_routes(runtime: Runtime) -> list[HTTPRouteHandler]:
    """Return a tenant's routes other than completions."""
    return [
        *model_routes(runtime.catalog, runtime.callers, runtime.denied_attempts, _base_card(runtime)),
        *review_routes(
            runtime.reviews, runtime.callers, runtime.denied_attempts, LocalLimits(runtime.limits), runtime.readings
        ),
        *usage_routes(
            runtime.registry, runtime.callers, runtime.ledger, runtime.denied_attempts, runtime.pools.reports
        ),
    ]


def _base_card(runtime: Runtime) -> Callable[[], BaseCard]:
    """Return what says of the base what clients may know of it."""
    started = int(time.time())

    def card() -> BaseCard:
        name = runtime.registry.get().base.id if runtime.registry.started else None
        return BaseCard(name, runtime.settings.window or runtime.engine.client.window, started)

    return card
