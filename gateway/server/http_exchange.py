"""One request and its answer on a connection: what uvicorn's own lacks, in one pass over the answer's headers.

Every answer says when it was made and which request it answers, how long an idle connection stays open, and ends with
the connection where the client speaks HTTP/1.0 and no length is known. An upgrade to another protocol is ignored, as
RFC 9110 (7.8) allows.
"""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate
from typing import Any, ClassVar
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from postil.gateway.api.presence import PRESENCE, Presence
from postil.gateway.server.http_head import HeadFacts, answering, without_upgrade
from postil.gateway.telemetry.request_id import REQUEST_ID, RequestIds

_END = b"\r\n"
_CHUNKED = b"transfer-encoding: chunked\r\n"
_OK = 200
_WITHOUT_BODY = (204, 304)
# A larger body is not copied to stand behind its head.
_SMALL_BYTES = 65_536


class CommonLines:
    """The lines that all answers have: the date, made once a second, and how the connection goes on."""

    def __init__(self, idle_seconds: float) -> None:
        self._keep_alive = b"keep-alive: timeout=%d\r\n" % idle_seconds
        self._since = self._until = 0.0
        self._open = self._last = b""

    def of(self, *, last: bool) -> bytes:
        """Return the lines; ``last`` if the connection closes after the answer."""
        now = time.time()
        if not self._since <= now < self._until:
            self._since = float(int(now))
            self._until = self._since + 1
            date = f"date: {formatdate(self._since, usegmt=True)}\r\n".encode()
            self._open, self._last = date + self._keep_alive, date + b"connection: close\r\n"
        return self._last if last else self._open


class HttpExchange(RequestResponseCycle):
    """One request, and what is sent back for it."""

    request_id: str
    lines: CommonLines
    presence: Presence
    # A head that waits for its body: small ones leave together, in one write.
    _held: bytes = b""

    async def send(self, message: Any) -> None:
        """Send a part of the answer."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if not self.response_started:
            self._begin(message)
        elif not self.response_complete:
            self._go_on(message)
        else:
            raise RuntimeError(f"the answer is complete, and cannot go on with {message['type']}")

    def _begin(self, message: Any) -> None:
        if message["type"] != "http.response.start":
            raise RuntimeError(f"an answer cannot begin with {message['type']}")
        status, length, last = message["status"], None, not self.keep_alive
        lines, fields = [STATUS_LINE[status]], 0
        for written, value in message.get("headers", ()):
            name = written.lower()
            if name == b"connection":
                last = last or b"close" in value.lower()
            elif name != b"transfer-encoding":  # The framing is this connection's own.
                if name == b"content-length":
                    length = int(value)
                fields += 1
                lines += name, b": ", value, _END
        framing = b""
        if length is not None and status == _OK and self.scope["method"] != "HEAD":  # Most answers are of this kind.
            self.expected_content_length, self.chunked_encoding = length, False
        else:
            framing = self._framing(status, length)
        last = last or self.chunked_encoding is None
        lines += framing, self.lines.of(last=last), f"x-request-id: {self.request_id}\r\n\r\n".encode()
        head = b"".join(lines)
        if not head.count(b"\r") == head.count(b"\n") == fields + 5 + bool(framing) or b"\0" in head:
            raise RuntimeError("a header's value has more than one line")
        self.keep_alive = not last
        self.response_started = True
        self.waiting_for_100_continue = False
        self._send_head(head)

    def _send_head(self, head: bytes) -> None:
        if self.chunked_encoding is False:  # Its body follows at once.
            self._held = head
        else:
            self.transport.write(head)

    def _framing(self, status: int, length: int | None) -> bytes:
        """Set how the body's end is told; None as ``chunked_encoding``: by the connection's."""
        without = self.scope["method"] == "HEAD" or status in _WITHOUT_BODY
        self.expected_content_length = 0 if without else length or 0
        if without or length is not None:
            self.chunked_encoding = False
        elif self.scope["http_version"] == "1.1":
            self.chunked_encoding = True
            return _CHUNKED
        return b""

    def _go_on(self, message: Any) -> None:
        if message["type"] != "http.response.body":
            raise RuntimeError(f"an answer cannot go on with {message['type']}")
        body, more = message.get("body", b""), message.get("more_body", False)
        if self.scope["method"] != "HEAD":
            self._write(body, more=more)
        elif not more:
            self._write_behind_head(b"")
        if more:
            return
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()

    def _write(self, body: bytes, *, more: bool) -> None:
        if self.chunked_encoding:
            chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            self.transport.write(chunk if more else chunk + b"0\r\n\r\n")
            return
        if self.chunked_encoding is False:
            left = self.expected_content_length = self.expected_content_length - len(body)
            if left < 0 or (left and not more):
                self.response_started = not self._held  # While nothing has left, the answer can be another.
                raise RuntimeError(f"the answer is {'longer' if left < 0 else 'shorter'} than its Content-Length")
        self._write_behind_head(body)

    def _write_behind_head(self, body: bytes) -> None:
        head, self._held = self._held, b""
        if head and len(body) <= _SMALL_BYTES:
            self.transport.write(head + body)
            return
        if head:
            self.transport.write(head)
        self.transport.write(body)


class ExchangeProtocol(HttpToolsProtocol):
    """A connection whose requests are exchanges."""

    lines: ClassVar[CommonLines]
    ids: ClassVar[RequestIds]
    cycle: HttpExchange
    _head: HeadFacts
    _ignored: bytes | None = None
    _answered: HttpExchange | None = None

    @property
    def is_read_again(self) -> bool:
        """Whether a head was read that asked for another protocol, and is read again without that."""
        return self._ignored is not None

    def parse(self, data: bytes) -> None:
        """Parse what was received."""
        self._unset_keepalive_if_required()
        rest = memoryview(data)
        while True:
            try:
                self.parser.feed_data(rest)
                return
            except httptools.HttpParserUpgrade as paused:
                # The parser ends here: another reads the same head without the upgrade, then what comes after it.
                rest = rest[paused.args[0] :]
                if not self._read_again():
                    return
            except httptools.HttpParserError:
                self.send_400_response("")
                return

    def _read_again(self) -> bool:
        assert self._ignored is not None, "it was kept when its upgrade was seen"
        head, self._ignored = self._ignored, None
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        try:
            self.parser.feed_data(head)
        except httptools.HttpParserError:
            self.send_400_response("")
            return False
        return True

    def ignore_upgrade(self) -> None:
        """Keep a head that asks for another protocol, to be read again without that."""
        self._ignored = without_upgrade(self.parser.get_method(), self.url, self.headers)

    def begin_exchange(self, version: str) -> None:
        """Start the application for a complete head, or queue it behind the request that is being answered."""
        url = httptools.parse_url(self.url)
        scope, before = self.scope, self.cycle
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["http_version"] = version
        path = url.path.decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = url.path
        scope["query_string"] = url.query or b""
        self.cycle = cycle = HttpExchange(
            scope,
            self.transport,
            self.flow,
            self.logger,
            self.access_logger,
            False,
            [],
            asyncio.Event(),
            self.expect_100_continue and version == "1.1",
            version == "1.1" and self.parser.should_keep_alive(),
            self.on_response_complete,
        )
        cycle.request_id = self.ids.of(self._head.request_id)
        cycle.lines = self.lines
        cycle.presence = scope[PRESENCE] = Presence()  # type: ignore[literal-required]
        app: Any = answering(self.app, self._head)
        if before is None or before.response_complete:
            self._start_asgi_task(cycle, app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, app))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request that is being answered, which is not the last one where others are queued behind it."""
        super().connection_lost(exc)
        if self._answered is not None and not self._answered.response_complete:
            self._answered.disconnected = True
            self._answered.presence.leave()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._answered = cycle
        REQUEST_ID.set(cycle.request_id)  # The task has a copy of this context.
        super()._start_asgi_task(cycle, app)
