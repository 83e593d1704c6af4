"""What a request's head asks of the server itself, whichever route it is for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from litestar.types import ASGIApp, Receive, Scope, Send

from postil.gateway.server.content_encoding import decoded
from postil.gateway.telemetry.request_id import HEADER

_NOTED = frozenset({HEADER, b"content-encoding"})
_OF_AN_UPGRADE = frozenset({b"upgrade", b"http2-settings"})
Headers = Sequence[tuple[bytes, bytes]]


class HeadFacts(NamedTuple):
    """What is noted of a head: the id that its client gave it, its body's encoding, whether it is a HEAD."""

    request_id: bytes | None = None
    encoding: bytes | None = None
    is_head: bool = False


_PLAIN = HeadFacts()


def facts_of(method: bytes, headers: Headers) -> HeadFacts:
    """Note what a head asks of the server. Names of headers are in lower case; of several the first counts."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _NOTED:
            found.setdefault(name, value)
    if not found and method != b"HEAD":
        return _PLAIN
    return HeadFacts(found.get(HEADER), found.get(b"content-encoding"), method == b"HEAD")


def answering(app: ASGIApp, head: HeadFacts) -> ASGIApp:
    """Return the application that answers such a request."""
    if head.encoding is not None:
        app = decoded(app, head.encoding)
    return as_get(app) if head.is_head else app


def as_get(app: ASGIApp) -> ASGIApp:
    """Wrap an application: HEAD is answered as GET is; the connection leaves out the body."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        asked: Any = {**scope, "method": "GET"}
        await app(asked, receive, send)

    return answer


def without_upgrade(method: bytes, url: bytes, headers: Headers) -> bytes:
    """Return a head that does not ask for another protocol, and else is the same."""
    lines = [b"%b %b HTTP/1.1\r\n" % (method, url)]
    for name, value in headers:
        if name == b"connection":
            lines += [b"connection: close\r\n"] * _closes(value)
        elif name not in _OF_AN_UPGRADE:
            lines.append(b"%b: %b\r\n" % (name, value))
    return b"".join([*lines, b"\r\n"])


def _closes(connection: bytes) -> bool:
    return b"close" in [token.strip().lower() for token in connection.split(b",")]
