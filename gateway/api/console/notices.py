"""What a form did, as the page that follows says it once: kept in the session, so that no address can make it up."""

from __future__ import annotations

from typing import cast

from litestar import Response

from postil.gateway.api.admin.auth import Connection
from postil.gateway.api.console.pages import go_to
from postil.gateway.api.console.sessions import Session


def go_to_and_say(request: Connection, path: str, said: str) -> Response[bytes]:
    """Answer a form: the browser asks for ``path`` next, which says what was done."""
    session = cast("Session", request.scope["session"])
    session.said = (path, said)
    return go_to(path)


def said_once(request: Connection) -> str:
    """Return what the last form did, if this is the page that it led to, and forget it."""
    session = cast("Session", request.scope["session"])
    (path, said), session.said = session.said, ("", "")
    return said if path == request.scope["path"] else ""
