"""Forwards requests that a worker does not handle to the primary, unchanged, and returns its answers."""

from __future__ import annotations

import hmac
import logging
from collections.abc import AsyncIterator, Iterable
from typing import Any

import aiohttp
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from multidict import CIMultiDict
from yarl import URL

from postil.gateway.api.error_responses import tell
from postil.gateway.control.workers import Workers
from postil.gateway.errors import EngineUnavailableError, GatewayError, KeyForbiddenError
from postil.gateway.telemetry.request_id import HEADER as REQUEST_ID_HEADER
from postil.gateway.telemetry.request_id import current

log = logging.getLogger(__name__)
# The client's address, for the primary, whose direct clients are its workers.
CLIENT = b"x-postil-client"
# Shows that a worker asks: whatever runs as the same user, such as a plugin, can connect there.
FRONT_KEY = b"x-postil-front-key"
# Headers of one connection, not of the request (RFC 9110, 7.6.1). Chunked bodies are chunked again.
_OF_A_CONNECTION = frozenset(
    {b"connection", b"expect", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade"}
    | {CLIENT, FRONT_KEY}
)
_NOT_A_WORKER = "this socket is for the gateway's own workers; ask at its port"
_CHANGES_NOTHING = ("GET", "HEAD", "OPTIONS")
# A worker's own answers have these.
_OF_AN_ANSWER = frozenset({b"connection", b"keep-alive", b"date", b"x-request-id"})


class Forward:
    """An ASGI application that forwards to another one at a unix socket, whose ``key`` it shows."""

    def __init__(self, socket: str, key: str) -> None:
        self._socket = socket
        self._key = key
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request."""
        begun = False

        async def noted(message: Any) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._pass_on(scope, receive, noted)
        except (aiohttp.ClientError, OSError) as error:
            log.warning("the gateway's own process does not answer (%s)", type(error).__name__)
            if begun:
                raise
            await tell(EngineUnavailableError("the gateway is not answering; try again"), scope["path"], send)
        except Exception:
            if begun:
                raise
            log.exception("%s %s could not be passed on", scope.get("method"), scope["path"])
            await tell(GatewayError("the gateway failed on this request; its log says why"), scope["path"], send)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = scope["query_string"].decode("latin-1")
        path = "/" + scope["raw_path"].decode("latin-1").removeprefix("/")  # `OPTIONS *` has no path.
        async with self._open().request(
            scope["method"],  # type: ignore[typeddict-item]  # Nothing but requests comes here.
            URL(f"http://postil{path}{'?' if query else ''}{query}", encoded=True),
            headers=_headers(scope, self._key),
            data=_body(receive) if _has_body(scope["headers"]) else None,
            allow_redirects=False,
        ) as answer:
            headers = [pair for pair in answer.raw_headers if pair[0].lower() not in _OF_AN_ANSWER]
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            async for chunk in answer.content.iter_any():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(self._socket, limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                auto_decompress=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )
        return self._session


def believing(app: ASGIApp, key: str) -> ASGIApp:
    """Wrap the primary's application: at the private socket only workers are answered, and the client is whom they say.

    ``key`` is what they show.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP and not _has_port(scope):
            given = dict(scope["headers"])
            if not hmac.compare_digest(given.get(FRONT_KEY, b""), key.encode()):
                await tell(KeyForbiddenError(_NOT_A_WORKER), scope["path"], send)
                return
            scope["client"] = (given.get(CLIENT, b"").decode("latin-1"), 0)
        await app(scope, receive, send)

    return answer


def _has_port(scope: Scope) -> bool:
    """Whether a request came to a port, such as the admin API's, where anybody can send any header."""
    server = scope.get("server")
    return server is not None and server[1] is not None


def in_force(pool: Workers, app: ASGIApp) -> ASGIApp:
    """Wrap the primary's application: it answers a change only after every worker has applied it."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        changes = scope["type"] == ScopeType.HTTP and scope["method"] not in _CHANGES_NOTHING

        async def sent(message: Message) -> None:
            if changes and message["type"] == "http.response.start":
                await pool.caught_up()
            await send(message)

        await app(scope, receive, sent)

    return answer


def _headers(scope: Scope, key: str) -> CIMultiDict[str]:
    given = (pair for pair in scope["headers"] if pair[0] not in _OF_A_CONNECTION)
    headers = CIMultiDict((name.decode("latin-1"), value.decode("latin-1")) for name, value in given)
    client = scope.get("client")
    headers[CLIENT.decode()] = client[0] if client else ""
    headers[FRONT_KEY.decode()] = key
    headers[REQUEST_ID_HEADER.decode()] = current()
    return headers


def _has_body(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") and value != b"0" for name, value in headers)


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ConnectionResetError("the client disconnected before its request was complete")
        yield message["body"]
        if not message["more_body"]:
            return
