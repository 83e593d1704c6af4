"""The console's cookie: the id of a session, which only ``/console`` reads."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from postil.gateway.api.admin.auth import Connection

_SECURE, _PLAIN = "__Host-postil", "postil"
_RULES = "Path=/; HttpOnly; SameSite=Strict"


# What a proxy in front adds: then the browser is somewhere else, whatever the host says.
_FORWARDING = frozenset({"forwarded", "via", "x-real-ip", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"})


@dataclass(frozen=True, slots=True)
class Cookies:
    """Reads and writes the cookie. ``tls`` says whether the gateway itself serves HTTPS."""

    tls: bool

    def ids(self, connection: Connection) -> list[str]:
        """Return the ids that a request brings. The plain cookie counts on this machine alone."""
        found = _cookies(connection.headers.get("cookie", ""))
        names = (_SECURE, _PLAIN) if self._here(connection) else (_SECURE,)
        return [found[name] for name in names if found.get(name)]

    def set(self, connection: Connection, identity: str) -> str:
        """Return the header that gives a browser its session's id, until the browser is closed."""
        return _written(self._name(connection), identity)

    def clear(self, connection: Connection) -> str:
        """Return the header that takes it away again."""
        return _written(self._name(connection), "") + "; Max-Age=0"

    def _name(self, connection: Connection) -> str:
        """Browsers keep secure cookies over TLS only; without it they get a plain one on this machine alone.

        A proxy with TLS in front may change the host; the origin of the form that signs in says what the browser sees.
        """
        over_tls = connection.headers.get("origin", "").startswith("https://")
        return _PLAIN if self._here(connection) and not over_tls else _SECURE

    def _here(self, connection: Connection) -> bool:
        """Whether a browser of this machine asks over plain HTTP, without a proxy between."""
        if self.tls or connection.scope.get("scheme") == "https" or not _FORWARDING.isdisjoint(connection.headers):
            return False
        return _on_loopback(connection.headers.get("host", ""))


def _cookies(header: str) -> dict[str, str]:
    """Read a Cookie header; what other programs of the same host have set there may be of any form."""
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return {name: value for name, _, value in pairs}


def _written(name: str, value: str) -> str:
    return f"{name}={value}; {_RULES}" + ("; Secure" if name == _SECURE else "")


def _on_loopback(host: str) -> bool:
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
