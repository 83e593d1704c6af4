"""Authorization of the admin API: each route names its permission; a route without one is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from postil.gateway.api.admin.params import AnyRequest
from postil.gateway.api.denied import origin, owner_of
from postil.gateway.errors import AuthenticationError, ForbiddenError, GatewayError, KeyForbiddenError
from postil.gateway.tenancy.callers import Callers
from postil.gateway.tenancy.denied_attempts import DeniedAttempt, DeniedAttempts
from postil.gateway.tenancy.directory import Caller
from postil.gateway.tenancy.permissions import PERMISSIONS, Permission
from postil.registry.accounts.denied_attempts import NOBODY
from postil.registry.accounts.keys import Role

Connection = ASGIConnection[Any, Any, Any, Any]
_PREFIX = "/api/v1"


def require_permission(callers: Callers, denied: DeniedAttempts, prefix: str = _PREFIX) -> Guard:
    """Guard every route under ``prefix``; a ``{domain}`` in the path is checked against the key's domains."""

    def who(connection: Connection) -> Caller:
        return callers.current.known(connection.headers.get("authorization"))

    return guard_of(who, denied, prefix)


def guard_of(who: Callable[[Connection], Caller], denied: DeniedAttempts, prefix: str) -> Guard:
    """Guard every route under ``prefix`` as the admin API is guarded; ``who`` finds the caller, and raises if none."""

    # A plain function would be called in one of the threads for short work, and wait where those are taken.
    async def guard(connection: Connection, handler: BaseRouteHandler) -> None:
        caller = None
        try:
            caller = who(connection)
            _check(caller, handler.opt.get("may"), connection.path_params.get("domain"))
        except (AuthenticationError, ForbiddenError) as error:
            denied.note(_refusal(connection, handler, caller, error, prefix))
            raise
        connection.scope["user"] = caller

    return guard


def check_domain(
    denied: DeniedAttempts, request: AnyRequest, right: Permission, domain: str, prefix: str = _PREFIX
) -> None:
    """Check a domain that is not in the path against the key's domains. Raises KeyForbiddenError."""
    caller: Caller = request.user
    try:
        _check(caller, right, domain)
    except ForbiddenError as error:
        denied.note(_refusal(request, request.route_handler, caller, error, prefix))
        raise


def _check(caller: Caller, right: Any, domain: str | None) -> None:
    if not isinstance(right, Permission) or not caller.may(right):
        needed = " or ".join(f"`{role}`" for role in Role if right in PERMISSIONS[role])
        raise KeyForbiddenError(f"role `{caller.role}` does not allow this; needed: {needed or 'no role'}")
    if not caller.may(right, domain):
        own = ", ".join(sorted(caller.scope or ()))
        raise KeyForbiddenError(f"this {caller.role}'s key is for {own} only; ask an admin for another key")


def _refusal(
    connection: Connection, handler: BaseRouteHandler, caller: Caller | None, error: GatewayError, prefix: str = _PREFIX
) -> DeniedAttempt:
    """Return what is recorded: the route's template, never the path that the client sent."""
    owner, key = (caller.owner, caller.key) if caller else owner_of(error)
    route = f"{connection.scope.get('method', '')} {prefix}{min(handler.paths, default='')}"
    return DeniedAttempt(owner or NOBODY, key, origin(connection.scope), route, error.status)
