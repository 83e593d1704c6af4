"""Errors of the console as pages, and those who are not signed in on their way to the login."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from litestar import Request, Response
from litestar.exceptions import HTTPException
from sqlalchemy.exc import DataError

from postil.gateway.api.console.pages import PREFIX, Pages, go_to
from postil.gateway.api.error_responses import translated
from postil.gateway.errors import AuthenticationError, BadRequestError, GatewayError, RegistryUnavailableError
from postil.plugins.errors import PluginError
from postil.registry.db.outage import disk_trouble
from postil.registry.errors import RegistryError

log = logging.getLogger(__name__)
AnyRequest = Request[Any, Any, Any]
Handlers = dict[type[Exception] | int, Any]
_TITLES = {
    400: "That cannot be read",
    401: "You are not signed in",
    403: "That is not for you",
    404: "There is no such page",
    405: "That page does not take this",
    409: "It has moved since you looked",
    422: "That was refused",
    429: "Too many attempts",
    503: "Not available now",
}


class SignInNeededError(AuthenticationError):
    """No session of the console, or one whose key is no longer good."""


def failure_pages(pages: Pages) -> Handlers:
    """Return the handlers of errors under ``/console``."""
    page = _FailurePages(pages)
    return {
        GatewayError: page.of_gateway,
        RegistryError: page.of_registry,
        PluginError: page.of_registry,
        HTTPException: page.of_http,
        **dict.fromkeys((UnicodeDecodeError, RecursionError, OverflowError, DataError), page.of_unreadable),
        Exception: page.of_unexpected,
    }


def with_failure_pages(handlers: Handlers, pages: Pages) -> Handlers:
    """Return the application's handlers, with pages for what below ``/console`` has no route and so none of its own."""
    elsewhere, page = handlers[HTTPException], _FailurePages(pages)

    def shown(request: AnyRequest, error: HTTPException) -> Response[Any]:
        here = f"{request.scope['path']}/".startswith(f"{PREFIX}/")
        return page.of_http(request, error) if here else elsewhere(request, error)

    return {**handlers, HTTPException: shown}


class _FailurePages:
    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    def of_gateway(self, request: AnyRequest, error: GatewayError, status: int | None = None) -> Response[Any]:
        if isinstance(error, SignInNeededError) and request.method in ("GET", "HEAD"):
            return go_to(f"/console/login?next={quote(request.scope['path'])}")
        status = status or error.status
        title = _TITLES.get(status, "That did not work")
        page = self._pages.page(request, "failure.html", status=status, title=title, said=_sentence(error), code=status)
        if error.retry_after is not None:
            page.headers["retry-after"] = str(error.retry_after)
        return page

    def of_registry(self, request: AnyRequest, error: Exception) -> Response[Any]:
        return self.of_gateway(request, translated(error))

    def of_http(self, request: AnyRequest, error: HTTPException) -> Response[Any]:
        status = HTTPStatus(error.status_code)
        told = status.description or f"this request is answered with {status.phrase.lower()}"
        page = self.of_gateway(request, BadRequestError(told), error.status_code)
        if allowed := (error.headers or {}).get("allow"):
            page.headers["allow"] = allowed
        return page

    def of_unreadable(self, request: AnyRequest, error: Exception) -> Response[Any]:
        return self.of_gateway(request, BadRequestError("a value is too large, too deep or not UTF-8; send another"))

    def of_unexpected(self, request: AnyRequest, error: Exception) -> Response[Any]:
        if isinstance(error, OSError) and (said := disk_trouble(error)) is not None:
            return self.of_gateway(request, RegistryUnavailableError(said))
        log.exception("%s %s failed", request.method, request.url.path, exc_info=error)
        return self.of_gateway(request, GatewayError("the gateway failed on this request; its log says why"))


def _sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith(".") else ".")
