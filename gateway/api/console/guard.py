"""Who asks for a page: the session's key, looked up anew for each request, then the admin API's own check of rights."""

from __future__ import annotations

from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from postil.gateway.api.admin.auth import Connection, guard_of
from postil.gateway.api.console.cookie import Cookies
from postil.gateway.api.console.failures import SignInNeededError
from postil.gateway.api.console.pages import PREFIX
from postil.gateway.api.console.same_origin import check_same_origin
from postil.gateway.api.console.sessions import Sessions
from postil.gateway.errors import AuthenticationError, TenantRefusedError
from postil.gateway.tenancy.callers import Callers
from postil.gateway.tenancy.denied_attempts import DeniedAttempts
from postil.gateway.tenancy.directory import Caller


def console_guard(sessions: Sessions, cookies: Cookies, callers: Callers, denied: DeniedAttempts) -> Guard:
    """Guard every page. A page names its permission (``may``), or is ``public`` or for all who are ``signed_in``."""

    def who(connection: Connection) -> Caller:
        return signed_in(connection, sessions, cookies, callers)

    rights = guard_of(who, denied, PREFIX)

    async def guard(connection: Connection, handler: BaseRouteHandler) -> None:
        check_same_origin(connection)
        if handler.opt.get("public"):
            return
        connection.scope["user"] = who(connection)
        if not handler.opt.get("signed_in"):
            await rights(connection, handler)  # type: ignore[misc]  # Guards may be plain functions, too.

    return guard


def signed_in(connection: Connection, sessions: Sessions, cookies: Cookies, callers: Callers) -> Caller:
    """Return the caller behind a session. Raises SignInNeededError; a key that is no longer good ends the session."""
    for identity in cookies.ids(connection):
        if (session := sessions.find(identity)) is not None:
            break
    else:
        raise SignInNeededError("sign in first; the session has ended, or there was none")
    try:
        caller = callers.current.recall(session.handle)
    except (AuthenticationError, TenantRefusedError) as error:
        sessions.close(identity)
        raise SignInNeededError(f"the session has ended: {error}") from None
    connection.scope["session"] = session
    return caller
