"""Notes keys that are refused on ``/v1``: whose, from where, on which route; nothing of what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from litestar import Request

from postil.gateway.errors import AuthenticationError, GatewayError, KeyForbiddenError
from postil.gateway.inference.formats.anthropic_messages.table import PATH as MESSAGES
from postil.gateway.tenancy.denied_attempts import DeniedAttempt, DeniedSink, origin_of
from postil.gateway.tenancy.directory import Caller
from postil.registry.accounts.denied_attempts import NOBODY


class CallerDirectory(Protocol):
    """Looks up callers by their keys."""

    def identify(self, authorization: str | None) -> Caller:
        """Return the caller. Raises AuthenticationError, KeyForbiddenError or EngineUnavailableError (not ready)."""


def identify(
    callers: CallerDirectory, denied: DeniedSink, authorization: str | None, scope: Mapping[str, Any], route: str
) -> Caller:
    """Return the caller as ``callers.identify`` does; a key that is refused is noted."""
    try:
        return callers.identify(authorization)
    except (AuthenticationError, KeyForbiddenError) as error:
        owner, key = owner_of(error)
        denied.note(DeniedAttempt(owner or NOBODY, key, origin(scope), route, error.status))
        raise


def identify_request(callers: CallerDirectory, denied: DeniedSink, request: Request[Any, Any, Any]) -> Caller:
    """As ``identify``, for a route of the framework; what is noted is the route's template."""
    route = f"{request.method} {min(request.route_handler.paths, default='')}"
    return identify(callers, denied, request.headers.get("authorization"), request.scope, route)


def owner_of(error: GatewayError) -> tuple[str | None, str | None]:
    """Return the owner and id of a refused key, where it is known."""
    if isinstance(error, AuthenticationError | KeyForbiddenError):
        return error.owner, error.key
    return None, None


def authorization(scope: Mapping[str, Any]) -> str | None:
    """Return the Authorization header of a request, as it was sent; at Anthropic's API, a key in its own header."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            return str(value, "latin-1")
    return _api_key(scope) if scope["path"].startswith(MESSAGES) else None


def _api_key(scope: Mapping[str, Any]) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            return f"Bearer {str(value, 'latin-1')}"
    return None


def origin(scope: Mapping[str, Any]) -> str:
    """Return where a request came from."""
    client = scope.get("client")
    return origin_of(client[0]) if client else ""
