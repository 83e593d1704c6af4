"""The application: everything it needs is passed in, nothing is kept in a module."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp
from sqlalchemy.exc import DataError

from postil.gateway.api.admin.limits import usage_routes
from postil.gateway.api.admin.reviews import review_routes
from postil.gateway.api.admin.router import admin_router
from postil.gateway.api.error_responses import PROBLEM, problem
from postil.gateway.api.health import health_routes
from postil.gateway.api.openai.completions import CompletionsShortcut, completion_routes
from postil.gateway.api.openai.models import model_routes
from postil.gateway.api.openapi import document_config
from postil.gateway.api.security_headers import SecurityHeaders
from postil.gateway.control.auto_rollback import roll_back_regressions
from postil.gateway.control.change_feed import watch
from postil.gateway.control.corruption_rollback import roll_back_corrupt
from postil.gateway.control.key_feed import watch_keys
from postil.gateway.control.runtime import Gateway
from postil.gateway.errors import (
    BadRequestError,
    EngineUnavailableError,
    GatewayError,
    NotFoundError,
    RefusedError,
    RegistryUnavailableError,
    SourceUnavailableError,
    StateConflictError,
)
from postil.plugins.errors import PluginError
from postil.registry import errors as registry_errors
from postil.registry.db.outage import disk_trouble

log = logging.getLogger(__name__)
_BESIDE = (roll_back_regressions, roll_back_corrupt, watch, watch_keys)
AnyRequest = Request[Any, Any, Any]
_NOT_TO_BE_HELD = (UnicodeDecodeError, RecursionError, OverflowError, DataError)


def create_app(gateway: Gateway) -> ASGIApp:
    """An application over one gateway, which it starts and stops with itself; as any ASGI server takes it."""
    return CompletionsShortcut(gateway, make_litestar(gateway))


def make_litestar(gateway: Gateway) -> Litestar:
    """All routes, the admin API among them, behind one way of telling errors."""

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        gateway.start()
        works = [*(work(gateway) for work in _BESIDE), gateway.denied_attempts.run()]
        beside = [asyncio.create_task(work) for work in works]
        try:
            yield
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await gateway.stop()

    app = Litestar(
        route_handlers=[
            *completion_routes(gateway),
            *model_routes(gateway),
            *review_routes(gateway),
            *usage_routes(gateway),
            *health_routes(gateway),
            admin_router(gateway),
        ],
        lifespan=[lifespan],
        exception_handlers={
            GatewayError: _gateway_error,
            registry_errors.RegistryError: _registry_error,
            PluginError: _registry_error,
            HTTPException: _http_error,
            **dict.fromkeys(_NOT_TO_BE_HELD, _not_to_be_held),
            OSError: _disk_error,
            Exception: _unexpected,
        },
        openapi_config=document_config(),
        logging_config=None,
    )
    app.asgi_handler = SecurityHeaders(app.asgi_handler)
    return app


def _gateway_error(request: AnyRequest, error: GatewayError) -> Response[Any]:
    """OpenAI's error shape under ``/v1``, problem details (RFC 9457) elsewhere."""
    headers = {"retry-after": str(error.retry_after)} if error.retry_after is not None else {}
    if request.url.path.startswith("/v1"):
        return Response(error.openai(), status_code=error.status, headers=headers)
    return _problem(error.status, error.type, str(error), headers)


def _registry_error(request: AnyRequest, error: Exception) -> Response[Any]:
    return _gateway_error(request, translated(error))


def _http_error(request: AnyRequest, error: HTTPException) -> Response[Any]:
    if request.url.path.startswith("/v1"):
        code = error.status_code
        wrapped = {"message": error.detail, "type": "invalid_request_error", "param": None, "code": None}
        return Response({"error": wrapped}, status_code=code)
    extra = error.extra if isinstance(error.extra, list) else []
    details = "; ".join(f"{item.get('key', '')} {item.get('message', '')}".strip() for item in extra)
    return _problem(error.status_code, "invalid_request_error", details or error.detail, {})


def _not_to_be_held(request: AnyRequest, error: Exception) -> Response[Any]:
    """What litestar's decoder or a database stumbles over; logged by its kind, its text may quote the request."""
    log.warning("%s %s was refused: %s", request.method, request.url.path, type(error).__name__)
    return _gateway_error(request, BadRequestError("a value is too large, too deep or not UTF-8; send another"))


def _disk_error(request: AnyRequest, error: OSError) -> Response[Any]:
    said = disk_trouble(error)
    if said is None:
        return _unexpected(request, error)
    log.error("%s %s: %s", request.method, request.url.path, error)
    return _gateway_error(request, RegistryUnavailableError(said))


def _unexpected(request: AnyRequest, error: Exception) -> Response[Any]:
    log.exception("%s %s failed", request.method, request.url.path, exc_info=error)
    return _gateway_error(request, GatewayError("the gateway failed on this request; its log says why"))


def _problem(status: int, kind: str, detail: str, headers: dict[str, str]) -> Response[Any]:
    return Response(problem(status, kind, detail), status_code=status, headers=headers, media_type=PROBLEM)


def translated(error: Exception) -> GatewayError:
    """What the registry refused, as an error with a status."""
    kinds: tuple[tuple[type[Exception], type[GatewayError]], ...] = (
        (registry_errors.NotFoundError, NotFoundError),
        (registry_errors.ConflictError, StateConflictError),
        (registry_errors.NameInvalidError, BadRequestError),
        (registry_errors.TextError, BadRequestError),
        (registry_errors.WeightError, BadRequestError),
        (registry_errors.PagingError, BadRequestError),
        (registry_errors.LimitError, BadRequestError),
        (registry_errors.BaseModelError, EngineUnavailableError),
        (registry_errors.HubError, SourceUnavailableError),
        (registry_errors.UnavailableError, RegistryUnavailableError),
    )
    for kind, becomes in kinds:
        if isinstance(error, kind):
            return becomes(str(error))
    return RefusedError(str(error))
