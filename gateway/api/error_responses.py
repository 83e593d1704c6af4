"""Turns every error into a response: problem details in the admin API, OpenAI's or Anthropic's shape else."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, NotFoundException
from litestar.types import Send
from sqlalchemy.exc import DataError

from postil.gateway.api.documented_errors import JSON, PROBLEM, Problem
from postil.gateway.api.openai.not_served import no_route, speaks_openai
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
from postil.gateway.inference.formats.anthropic_messages.errors import error_body
from postil.gateway.inference.formats.anthropic_messages.table import PATH as MESSAGES
from postil.plugins.errors import PluginError
from postil.registry import errors as registry_errors
from postil.registry.db.outage import disk_trouble

log = logging.getLogger(__name__)
AnyRequest = Request[Any, Any, Any]
# Errors of litestar's decoder and of the database for unusable input.
_UNSTORABLE = (UnicodeDecodeError, RecursionError, OverflowError, DataError)
_REGISTRY: tuple[tuple[type[Exception], type[GatewayError]], ...] = (
    (registry_errors.NotFoundError, NotFoundError),
    (registry_errors.ConflictError, StateConflictError),
    (registry_errors.NameInvalidError, BadRequestError),
    (registry_errors.TextError, BadRequestError),
    (registry_errors.WeightError, BadRequestError),
    (registry_errors.StepsError, RefusedError),
    (registry_errors.PagingError, RefusedError),
    (registry_errors.LimitError, BadRequestError),
    (registry_errors.WebhookError, RefusedError),
    (registry_errors.QuotaError, StateConflictError),
    (registry_errors.RightError, BadRequestError),
    (registry_errors.BaseModelError, EngineUnavailableError),
    (registry_errors.HubError, SourceUnavailableError),
    (registry_errors.UnavailableError, RegistryUnavailableError),
)


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """An error as it is sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def render(path: str, error: GatewayError, status: int | None = None) -> ErrorResponse:
    """Render an error in the format of this path."""
    status = status or error.status
    if path.startswith(MESSAGES):
        content_type, body = JSON, msgspec.json.encode(error_body(status, str(error)))
    elif speaks_openai(path):
        content_type, body = JSON, msgspec.json.encode(error.openai())
    else:
        content_type, body = PROBLEM, msgspec.json.encode(_problem(status, error.type, str(error)))
    headers = {"content-type": content_type, **error.headers}
    if error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    return ErrorResponse(status, headers, body)


async def tell(error: GatewayError, path: str, send: Send) -> None:
    """Answer a request with an error."""
    answer = render(path, error)
    headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


def exception_handlers() -> dict[type[Exception] | int, Any]:
    """Return litestar's exception handlers."""
    return {
        GatewayError: _gateway_error,
        registry_errors.RegistryError: _registry_error,
        PluginError: _registry_error,
        HTTPException: _http_error,
        **dict.fromkeys(_UNSTORABLE, _unstorable),
        OSError: _disk_error,
        Exception: _unexpected,
    }


def translated(error: Exception) -> GatewayError:
    """Map an error of the registry to an HTTP error."""
    if isinstance(error, registry_errors.JobError):
        return BadRequestError(str(error), param=error.param)
    for kind, becomes in _REGISTRY:
        if isinstance(error, kind):
            return becomes(str(error))
    return RefusedError(str(error))


def _problem(status: int, kind: str, detail: str) -> Problem:
    return Problem(type=f"about:blank#{kind}", title=kind.replace("_", " "), status=status, detail=detail)


def _gateway_error(request: AnyRequest, error: GatewayError, status: int | None = None) -> Response[bytes]:
    answer = render(request.url.path, error, status)
    headers = {name: value for name, value in answer.headers.items() if name != "content-type"}
    return Response(answer.body, status_code=answer.status, headers=headers, media_type=answer.headers["content-type"])


def _registry_error(request: AnyRequest, error: Exception) -> Response[bytes]:
    return _gateway_error(request, translated(error))


def _http_error(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    if isinstance(error, NotFoundException):
        return _gateway_error(request, no_route(request.url.path))
    extra = error.extra if isinstance(error.extra, list) else []
    details = "; ".join(f"{item.get('key', '')} {item.get('message', '')}".strip() for item in extra)
    code = None if error.status_code == HTTPStatus.BAD_REQUEST else HTTPStatus(error.status_code).name.lower()
    told = BadRequestError(details or error.detail, code=code)
    told.headers = _allow(error.headers or {})
    return _gateway_error(request, told, error.status_code)


def _allow(headers: Mapping[str, str]) -> dict[str, str]:
    """The methods that a route takes, of an error that says them; HEAD is taken where GET is."""
    methods = headers.get("allow", "").replace(" ", "").split(",")
    if "GET" in methods and "HEAD" not in methods:
        methods.append("HEAD")
    return {"allow": ", ".join(sorted(methods))} if methods != [""] else {}


def _unstorable(request: AnyRequest, error: Exception) -> Response[bytes]:
    """Log only the error's type: its text may quote the request."""
    log.warning("%s %s was refused: %s", request.method, request.url.path, type(error).__name__)
    return _gateway_error(request, BadRequestError("a value is too large, too deep or not UTF-8; send another"))


def _disk_error(request: AnyRequest, error: OSError) -> Response[bytes]:
    said = disk_trouble(error)
    if said is None:
        return _unexpected(request, error)
    log.error("%s %s: %s", request.method, request.url.path, error)
    return _gateway_error(request, RegistryUnavailableError(said))


def _unexpected(request: AnyRequest, error: Exception) -> Response[bytes]:
    log.exception("%s %s failed", request.method, request.url.path, exc_info=error)
    return _gateway_error(request, GatewayError("the gateway failed on this request; its log says why"))
