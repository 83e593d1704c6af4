"""The admin API and the console at a port of their own: nowhere else, and nothing else there."""

from __future__ import annotations

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from postil.gateway.api.error_responses import tell
from postil.gateway.errors import NotFoundError

_ADMIN = ("/api/", "/console/")
_HEALTH = "/health/"


def set_apart(app: ASGIApp, admin_port: int | None) -> ASGIApp:
    """Wrap an application: ``/api`` and ``/console`` are at the admin port alone; without one, at every port."""
    if admin_port is None:
        return app

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or _belongs(scope, admin_port):
            await app(scope, receive, send)
        else:
            await tell(NotFoundError(_elsewhere(scope["path"])), scope["path"], send)

    return answer


def _belongs(scope: Scope, admin_port: int) -> bool:
    """Whether a request came to the port of its path; health is answered at both."""
    path = scope["path"]
    server = scope.get("server")
    at_admin_port = server is not None and server[1] == admin_port
    return path.startswith(_HEALTH) or _is_admin(path) is at_admin_port


def _is_admin(path: str) -> bool:
    """Whether a path is the admin API's or the console's, however often its slashes are written."""
    return f"/{path.lstrip('/')}/".startswith(_ADMIN)


def _elsewhere(path: str) -> str:
    if _is_admin(path):
        return "the admin API and the console are not at this port; ask at POSTIL_ADMIN_PORT"
    return "only the admin API and the console are at this port; ask for answers at POSTIL_PORT"
