"""The console's cookie: the id of a session, which only ``/console`` reads."""

from __future__ import annotations

import ipaddress

from postil.gateway.api.admin.auth import Connection

_SECURE, _PLAIN = "__Host-postil", "postil"
_RULES = "Path=/; HttpOnly; SameSite=Strict"


def session_id(connection: Connection) -> str:
    """Return the id that a request brings; empty if none. The plain cookie counts on this machine alone."""
    found = _cookies(connection.headers.get("cookie", ""))
    plain = found.get(_PLAIN, "") if _on_loopback(connection.headers.get("host", "")) else ""
    return found.get(_SECURE) or plain


def set_cookie(connection: Connection, identity: str, *, tls: bool) -> str:
    """Return the header that gives a browser its session's id, until the browser is closed."""
    return _written(_name(connection, tls=tls), identity)


def clear_cookie(connection: Connection, *, tls: bool) -> str:
    """Return the header that takes it away again."""
    return _written(_name(connection, tls=tls), "") + "; Max-Age=0"


def _cookies(header: str) -> dict[str, str]:
    """Read a Cookie header; what other programs of the same host have set there may be of any form."""
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return {name: value for name, _, value in pairs}


def _written(name: str, value: str) -> str:
    return f"{name}={value}; {_RULES}" + ("; Secure" if name == _SECURE else "")


def _name(connection: Connection, *, tls: bool) -> str:
    """Browsers keep secure cookies over TLS only; without it they get a plain one on this machine alone.

    A proxy with TLS in front may change the host; the origin of the form that signs in says what the browser sees.
    """
    over_tls = tls or connection.scope.get("scheme") == "https"
    over_tls = over_tls or connection.headers.get("origin", "").startswith("https://")
    return _SECURE if over_tls or not _on_loopback(connection.headers.get("host", "")) else _PLAIN


def _on_loopback(host: str) -> bool:
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
