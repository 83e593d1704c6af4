"""Lets pages of other origins ask under ``/v1`` from browsers, where a setting names them."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

_ASKED_METHOD, _ASKED_HEADERS = b"access-control-request-method", b"access-control-request-headers"
_ALLOW_ORIGIN = b"access-control-allow-origin"
_METHODS = b"GET, HEAD, POST"
# What a page may read of an answer, beside what browsers always show.
_EXPOSED = b", ".join((
    *(b"x-postil-" + name for name in (b"release", b"channel", b"fallback", b"notice", b"review")),
    *(b"x-ratelimit-" + name for name in (
        b"limit-requests", b"remaining-requests", b"reset-requests", b"limit-tokens", b"remaining-tokens",
        b"reset-tokens",
    )),
    b"retry-after", b"x-request-id",
))  # fmt: skip
_NAMES = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,4096}")
_VARY = (b"vary", b"origin")
# So long a browser need not ask again whether it may ask.
_REMEMBERED = (b"access-control-max-age", b"600")


class CrossOrigins:
    """Middleware in front of all routes. A page has to have the key that it sends: no browser adds one."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self._app = app
        self._origins = frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an ASGI call."""
        if scope["type"] != ScopeType.HTTP or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        origin = headers.get(b"origin")
        allowed = [(_ALLOW_ORIGIN, origin), _VARY] if origin in self._origins and origin is not None else [_VARY]
        if len(allowed) > 1 and scope["method"] == "OPTIONS" and _ASKED_METHOD in headers:
            await _let(headers.get(_ASKED_HEADERS, b""), allowed, send)
        else:
            await self._app(scope, receive, _with(allowed, send))


async def _let(asked: bytes, allowed: list[tuple[bytes, bytes]], send: Send) -> None:
    """Answer a browser that asks whether a page may ask: with any headers, as clients send many of their own."""
    headers = [*allowed, (b"access-control-allow-methods", _METHODS), _REMEMBERED]
    if _NAMES.fullmatch(asked):
        headers.append((b"access-control-allow-headers", asked))
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _with(allowed: list[tuple[bytes, bytes]], send: Send) -> Send:
    exposed = [(b"access-control-expose-headers", _EXPOSED)] if len(allowed) > 1 else []

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            given: list[Any] = [*message["headers"]]
            if not any(name == _ALLOW_ORIGIN for name, _ in given):  # A worker passes on what has them already.
                message["headers"] = [*given, *allowed, *exposed]
        await send(message)

    return sent


def letting(app: ASGIApp, origins: Collection[str]) -> ASGIApp:
    """Wrap an application for these origins; without any it is left as it is."""
    return CrossOrigins(app, origins) if origins else app
