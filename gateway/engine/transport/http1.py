"""An HTTP/1.1 client for vLLM: kept connections, answers streamed as they arrive.

Every request goes through here, so it does only what is needed: no redirects, no cookies, no proxies, no
compression. deploy/decisions/0016 says what a general client costs.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import cached_property
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import httptools

from postil.gateway.engine.transport.response import BrokenError, EngineResponse, SilentError

# Shorter than the engine keeps idle connections, so that no request is written into a closing one.
_KEEPALIVE_SECONDS = 30.0
_CONNECT_SECONDS = 10.0
# What may lie here of an answer whose client reads slower than the engine writes. The engine does not wait for its
# reader: only what is read here to its end frees the slot. 4,096 tokens are 1 MiB, unless they have log-probabilities.
_MOST_BUFFERED = 4 << 20


class Connection(asyncio.Protocol):
    """One connection, which carries one request at a time."""

    def __init__(self, client: HttpClient, timeout_seconds: float) -> None:
        self._client = client
        self._timeout = timeout_seconds
        self.loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._answer: EngineResponse | None = None
        self._paused = self._cut = False
        self._behind: asyncio.TimerHandle | None = None
        self.kept_at = 0.0

    def ask(self, request: bytes) -> EngineResponse:
        """Send a whole request, head and body."""
        answer = self._answer = EngineResponse(self, self.loop.time())
        if self._timer is None:
            self._timer = self.loop.call_later(self._timeout, self._look_at_the_clock)
        self._transport.write(request)
        return answer

    def resume(self) -> None:
        """Resume reading after the reader has caught up."""
        if self._paused and self._answer is not None:
            self._paused = False
            self._catch_up()
            self._answer.heard = self.loop.time()
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close the connection in the middle of an answer that nobody reads."""
        self._answer = None
        self._transport.abort()

    def close(self) -> None:
        """Close the connection at once; a request that waits on it fails."""
        self._cut = True
        self._transport.abort()

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport of the new connection."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, and wake the reader once for all of it."""
        answer = self._answer
        if answer is None:
            self._transport.abort()  # Nobody has asked for anything.
            return
        answer.heard = self.loop.time()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(BrokenError(f"what came is not HTTP: {error}", begun=True))
            self._transport.abort()
            return
        if answer.size > _MOST_BUFFERED and not (self._paused or answer.done):
            self._paused = True
            self._transport.pause_reading()
            self._behind = self.loop.call_later(self._client.behind_seconds, answer.ended)
        answer.wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the answer: a body without a length is complete now, anything else is broken."""
        self._client.lost(self)
        if self._timer is not None:
            self._timer.cancel()
        self._catch_up()
        answer = self._answer
        if answer is None:
            return
        if answer.status and not answer.framed and exc is None and not self._cut:
            answer.done = True
            answer.ended()
            answer.wake()
            return
        why = "it hung up" if exc is None else f"{type(exc).__name__}: {exc}"
        self._fail(BrokenError(why, begun=bool(answer.status)))

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Refuse a second answer on this connection: no request asked for it."""
        if self._answer is None:
            self._transport.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note whether the answer states its length."""
        framing = len(name) in (14, 17) and name.lower() in (b"content-length", b"transfer-encoding")
        if framing and self._answer is not None:
            self._answer.framed = True

    def on_headers_complete(self) -> None:
        """Take the status, unless it is an interim one (RFC 9110, 15.2)."""
        status = self._parser.get_status_code()
        if status >= 200 and self._answer is not None:
            self._answer.status = status

    def on_body(self, body: bytes) -> None:
        """Buffer a part of the body for the reader."""
        if self._answer is not None:
            self._answer.take(body)

    def on_message_complete(self) -> None:
        """Complete the answer and free the connection for the next request."""
        answer = self._answer
        if answer is None or not answer.status:
            return
        answer.done = True
        self._answer = None
        self._catch_up()
        answer.ended()
        if self._parser.should_keep_alive():
            self.kept_at = self.loop.time()
            self._client.keep(self)
        else:
            self._transport.close()

    def _catch_up(self) -> None:
        if self._behind is not None:
            self._behind.cancel()
            self._behind = None

    def _fail(self, error: Exception) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.error = error
            answer.wake()

    def _look_at_the_clock(self) -> None:
        """Fail a silent answer; one timer for each connection, not for each read."""
        self._timer = None
        answer = self._answer
        if answer is None:
            return
        now = self.loop.time()
        left = self._timeout if self._paused else answer.heard + self._timeout - now  # Or it is the reader who is slow.
        if left > 0:
            self._timer = self.loop.call_later(left, self._look_at_the_clock)
            return
        self._fail(SilentError(f"nothing came for {self._timeout:g} s"))
        self._transport.abort()


class HttpClient:
    """All connections to one server: ``unix:/path/to/socket``, ``http://host:port`` or ``https://host``.

    ``api_key`` is sent with each request. An answer whose reader has been behind by a full buffer for
    ``behind_seconds`` counts as ended: by then the server has made what it was asked for.
    """

    def __init__(
        self,
        address: str,
        *,
        timeout_seconds: float,
        api_key: str | None = None,
        behind_seconds: float = 30.0,
        ca_file: Path | None = None,
    ) -> None:
        self._ca_file = ca_file
        self.behind_seconds = behind_seconds
        self._socket = address.removeprefix("unix:") if address.startswith("unix:") else None
        parts = urlsplit("http://engine" if self._socket else address)
        self._host, self._port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        self._secure = parts.scheme == "https"
        self._prefix = parts.path.rstrip("/").encode()
        key = "" if api_key is None else f"authorization: Bearer {api_key}\r\n"
        self._rest = (
            f" HTTP/1.1\r\nhost: {parts.netloc}\r\n{key}content-type: application/json\r\ncontent-length: "
        ).encode()
        self._timeout = timeout_seconds
        self._open: set[Connection] = set()
        self._idle: dict[Connection, None] = {}
        # How often all was hung up on: what was not connected by then is not to be.
        self._closed = 0

    async def ask(
        self, method: bytes, path: bytes, body: bytes = b"", *, fresh: bool = False, lines: bytes = b""
    ) -> EngineResponse:
        """Send a request; returns its answer when the status is there. A ``fresh`` one gets a connection of its own.

        ``lines`` are more lines of its head.

        Raises BrokenError, SilentError, TimeoutError (nobody answers at that address) or OSError.
        """
        connection = (None if fresh else self._kept()) or await self._connected()
        head = b"%b %b%b%b%d\r\n%b\r\n" % (method, self._prefix, path, self._rest, len(body), lines)
        answer = connection.ask(head + body)
        try:
            await answer.head()
        except asyncio.CancelledError:
            answer.leave()
            raise
        return answer

    def keep(self, connection: Connection) -> None:
        """Keep a connection for another request."""
        self._idle[connection] = None

    def lost(self, connection: Connection) -> None:
        """Drop a connection that cannot be used again."""
        self._idle.pop(connection, None)
        self._open.discard(connection)

    async def close(self) -> None:
        """Close all connections. Requests that wait get BrokenError."""
        self._closed += 1
        for connection in [*self._open]:
            connection.close()
        self._idle.clear()

    def _kept(self) -> Connection | None:
        """The kept connection that was used last, so that surplus ones grow old and are closed."""
        if not self._idle:
            return None
        connection, _ = self._idle.popitem()
        if connection.loop.time() - connection.kept_at < _KEEPALIVE_SECONDS:
            return connection
        for old in [connection, *self._idle]:  # All others have been here for longer.
            old.close()
        self._idle.clear()
        return None

    @cached_property
    def _tls(self) -> ssl.SSLContext | None:
        """Made for the first connection: it reads the authorities' certificates. Raises OSError."""
        if not self._secure:
            return None
        context = ssl.create_default_context()
        if self._ca_file is not None:
            context.load_verify_locations(self._ca_file)
        return context

    async def _connected(self) -> Connection:
        loop, closed = asyncio.get_running_loop(), self._closed

        def made() -> Connection:
            return Connection(self, self._timeout)

        async with asyncio.timeout(_CONNECT_SECONDS):
            if self._socket is not None:
                _, connection = await loop.create_unix_connection(made, self._socket)
            else:
                _, connection = await loop.create_connection(made, self._host, self._port, ssl=self._tls)
        if closed != self._closed:
            connection.close()
            raise BrokenError("it was hung up on while it was called")
        self._open.add(connection)
        return connection
