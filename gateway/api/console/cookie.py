"""The console's cookie: the id of a session, which only ``/console`` reads."""

from __future__ import annotations

import ipaddress
from http.cookies import CookieError, SimpleCookie

from postil.gateway.api.admin.auth import Connection

_SECURE, _PLAIN = "__Host-postil", "postil"
_RULES = "Path=/; HttpOnly; SameSite=Strict"


def session_id(connection: Connection, *, tls: bool) -> str:
    """Return the id that a request brings; empty if none."""
    found: SimpleCookie = SimpleCookie()
    try:
        found.load(connection.headers.get("cookie", ""))
    except CookieError:
        return ""
    morsel = found.get(_name(connection, tls=tls))
    return "" if morsel is None else morsel.value


def set_cookie(connection: Connection, identity: str, *, tls: bool) -> str:
    """Return the header that gives a browser its session's id, until the browser is closed."""
    return _written(_name(connection, tls=tls), identity)


def clear_cookie(connection: Connection, *, tls: bool) -> str:
    """Return the header that takes it away again."""
    return _written(_name(connection, tls=tls), "") + "; Max-Age=0"


def _written(name: str, value: str) -> str:
    return f"{name}={value}; {_RULES}" + ("; Secure" if name == _SECURE else "")


def _name(connection: Connection, *, tls: bool) -> str:
    """Browsers keep secure cookies over TLS only; without it they get a plain one on this machine alone."""
    secure = tls or connection.scope.get("scheme") == "https" or not _on_loopback(connection.headers.get("host", ""))
    return _SECURE if secure else _PLAIN


def _on_loopback(host: str) -> bool:
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
