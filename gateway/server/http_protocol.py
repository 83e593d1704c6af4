"""HTTP with uvicorn and httptools, plus limits that both lack: on heads, on time, on connections.

uvicorn limits how much of a body it buffers and how long a connection may be idle between requests. It does not limit
the size and duration of a head, the duration of a body, or how long an unread answer waits, and lets heads through that
could be read in two ways (``http_framing``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import Any, ClassVar

from uvicorn.config import Config
from uvicorn.server import ServerState

from postil.gateway.errors import BadRequestError
from postil.gateway.server.connection_counts import ConnectionCounts, Standing
from postil.gateway.server.http_exchange import CommonLines, ExchangeProtocol
from postil.gateway.server.http_framing import framing_fault, stranger
from postil.gateway.server.http_head import HeadFacts, facts_of
from postil.gateway.server.http_refusal import refusal
from postil.gateway.server.slow_reader import ReaderWatch
from postil.gateway.settings import HttpLimits
from postil.gateway.telemetry.request_id import RequestIds

# What a connection of the reserve may ask for.
_RESERVED_PATHS = (b"/health/", b"/api/", b"/console")
_FULL = "there are too many connections; close some, or try again in a moment"
# A chunked body may be sent in so many times its own size, beside the size of a head: chunks of one byte are 6.
_MOST_OVERHEAD = 8
# A larger head is not kept to be compared with the next.
_SMALL_BYTES = 2048
_IDLE_SLACK_SECONDS = 1


class Part(Enum):
    """The part of a request that is being received."""

    NOTHING = "nothing"
    HEAD = "head"
    BODY = "body"


def bounded(limits: HttpLimits) -> type[Door]:
    """Return the protocol class with these limits, for uvicorn."""
    own = {"limits": limits, "counts": ConnectionCounts(limits)}
    return type("BoundedDoor", (Door,), {**own, "lines": CommonLines(limits.idle_seconds), "ids": RequestIds()})


class Door(ExchangeProtocol):
    """One connection. A request that exceeds a limit gets a 4xx, and the connection is closed."""

    limits = HttpLimits()
    counts: ClassVar[ConnectionCounts]

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.url = b""
        # A little longer than clients are told, so that none sends a request into a closing connection.
        self.timeout_keep_alive = self.limits.idle_seconds + _IDLE_SLACK_SECONDS
        self._head = HeadFacts()
        self._part = Part.NOTHING
        self._deaf = self._held_up = False
        self._chunk = self._head_bytes = self._body_bytes = self._wire_bytes = self._whole_body = self._no_content = 0
        self._standing = Standing.OPEN
        self._refusal = (400, "this cannot be understood as HTTP/1.1; send a well-formed request")
        self._sound_head: tuple[bytes, str, bytes, list[tuple[bytes, bytes]]] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._reader: ReaderWatch
        self.when_open: Callable[[], None] | None = None

    def open(self) -> None:
        """Call ``when_open`` once: by who counted the connection until now, before it is counted here or is no more."""
        when_open, self.when_open = self.when_open, None
        if when_open is not None:
            when_open()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection, unless there are too many, and start the timer for its first head."""
        self.open()
        super().connection_made(transport)
        self._reader = ReaderWatch(transport, self.loop, self.limits.stall_seconds, self._hang_up)
        self._standing = self.counts.enter(self, self.client[0] if self.client else None)
        if self._standing is Standing.UNHEARD:
            self._deaf = True
            self._hang_up()
        elif self._standing is Standing.REFUSED:
            self._refuse(503, _FULL)
        else:
            if self._standing is Standing.RESERVED:
                self.limits = self.limits.of_reserve()
            self._arm(self.limits.head_seconds, self._head_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        self.counts.leave(self)
        self._part = Part.NOTHING
        self._disarm()
        self._reader.stop()
        self.resume_writing()

    @property
    def is_waiting(self) -> bool:
        """Whether no request is being answered."""
        return not self._answering()

    def evict(self) -> None:
        """Close the connection: another one needs its place."""
        self._deaf = True
        self._disarm()
        self._hang_up()

    def data_received(self, data: bytes) -> None:
        """Count and parse the received bytes, and start a timer for the rest."""
        if self._deaf:
            return
        self._chunk = len(data)
        if self._part is Part.BODY:
            self._body_bytes += self._chunk
            self._wire_bytes += self._chunk
            self._no_content += self._chunk
        else:
            self._head_bytes += self._chunk
        self.parse(data)
        if self._part is Part.HEAD and self._head_bytes > self.limits.head_bytes and not self._deaf:
            self._refuse(431, self._too_large())
        elif self._part is Part.BODY and self._is_mostly_framing():
            self._refuse(400, "the chunked body has more framing than content; send larger chunks, without extensions")
        elif self._timer is None and not self._deaf and not self.transport.is_closing():
            self._expect_more()

    def _is_mostly_framing(self) -> bool:
        """Whether a chunked body is little but extensions, empty lines and fields after it, which no route counts."""
        most = self.limits.head_bytes
        overhead = self._wire_bytes - _MOST_OVERHEAD * self._whole_body
        return max(self._no_content, overhead) > most or len(self.headers) > self.limits.headers

    def _expect_more(self) -> None:
        """Start a timer if the client has to send next; no timer runs if a whole request arrived at once."""
        if self._part is Part.BODY:
            self._body_bytes, self._held_up = 0, False
            self._arm(self.limits.stall_seconds, self._body_late)
        elif self._part is Part.HEAD or not self._answering():
            self._arm(self.limits.head_seconds, self._head_late)

    def on_message_begin(self) -> None:
        """Handle the first byte of a request."""
        self._part = Part.HEAD
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Handle a complete head. An exception here makes uvicorn call ``send_400_response``."""
        fault = self._head_fault()
        if fault is not None:
            self._refusal = fault
            raise BadRequestError(fault[1])
        if self.parser.should_upgrade():
            self.ignore_upgrade()
            return
        self._part = Part.BODY
        self._wire_bytes = self._whole_body = self._no_content = 0
        self._disarm()
        self.begin_exchange(self._version)
        # Fields after a chunked body go where nobody reads them: they may name a key or a length.
        self.headers = []
        if self._standing is Standing.RESERVED:
            self.cycle.keep_alive = False

    def _head_fault(self) -> tuple[int, str] | None:
        """Return the status and the reason with which a complete head is refused, or None."""
        version = self._version = self.parser.get_http_version()
        method = self.parser.get_method()
        head = method, version, self.url, self.headers
        if head == self._sound_head and self._standing is Standing.OPEN:
            return None
        if len(self.headers) > self.limits.headers or (
            # A head that arrived in one small chunk needs no counting.
            max(self._chunk, self._head_bytes) > self.limits.head_bytes and self._size() > self.limits.head_bytes
        ):
            return 431, self._too_large()
        if (fault := framing_fault(version, self.url, self.headers)) is not None:
            return 400, fault
        if method == b"CONNECT":
            return 400, "this is no proxy; send another method than CONNECT"
        if self.limits.local_only and (fault := stranger(version, self.headers)) is not None:
            return 403, fault
        if self._standing is Standing.RESERVED and not self.url.startswith(_RESERVED_PATHS):
            return 503, _FULL
        self._head = facts_of(method, self.headers)
        # The next request of a connection mostly has the same head.
        self._sound_head = head if max(self._chunk, self._head_bytes) <= _SMALL_BYTES else None
        return None

    def on_body(self, body: bytes) -> None:
        """Handle a part of the body."""
        super().on_body(body)
        self._whole_body += len(body)
        self._no_content = 0
        self._held_up = self._held_up or self.flow.read_paused

    def on_message_complete(self) -> None:
        """Handle the end of the request; a head that is to be read again has none."""
        if self.is_read_again:
            return
        self._part = Part.NOTHING
        self._head_bytes = 0
        self._disarm()
        super().on_message_complete()
        if not self.pipeline:  # A client that leaves is noticed only while its connection is read.
            self.flow.resume_reading()

    def on_response_complete(self) -> None:
        """Handle the end of the answer. If the body was refused before its end, close the connection soon."""
        super().on_response_complete()
        self._reader.start()
        if self._part is Part.BODY and not self._answering():  # Otherwise it is the body of the next request.
            self._disarm()
            self._arm(self.limits.linger_seconds, self._hang_up)

    def send_400_response(self, msg: str) -> None:
        """Answer invalid HTTP in the error format of all routes."""
        self._refuse(*self._refusal)

    def pause_writing(self) -> None:
        """Start to watch a client that reads its answer slowly."""
        super().pause_writing()
        self._reader.start()

    def _head_late(self) -> None:
        self._timer = None
        if self._answering():  # The next request waits until this one is answered.
            self._arm(self.limits.head_seconds, self._head_late)
        elif self._part is Part.HEAD:
            self._refuse(408, "the request's head did not arrive in time; send it faster")
        else:
            self.transport.close()

    def _body_late(self) -> None:
        self._timer = None
        # The client is not at fault if the application does not read the body.
        if self._held_up or self.flow.read_paused or self._body_bytes >= self.limits.stall_bytes:
            self._expect_more()
        else:
            self._refuse(408, "the request's body arrived too slowly or not completely; send it faster")

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, status: int, text: str) -> None:
        """Send the error unless an answer is being sent, and ignore further input.

        Closing at once with unread input would reset the connection, and the client would not see the error.
        """
        silent = False
        if self._answering():
            silent = self._part is not Part.BODY or self.cycle.response_started or bool(self.pipeline)
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._deaf = True
        self._disarm()
        if silent or self.transport.is_closing():
            self.transport.close()
        else:
            self.transport.write(refusal(status, self.url.decode("latin-1"), text, self._common_lines()))
            self.transport.write_eof()
            self.flow.resume_reading()
        self._arm(self.limits.linger_seconds, self._hang_up)

    def _hang_up(self) -> None:
        self._timer = None
        self.transport.abort()

    def _arm(self, seconds: float, act: Any) -> None:
        self._timer = self.loop.call_later(seconds, act)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _common_lines(self) -> bytes:
        request_id = self.ids.of(facts_of(b"", self.headers or ()).request_id)
        return self.lines.of(last=True) + f"x-request-id: {request_id}\r\n".encode()

    def _size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _too_large(self) -> str:
        bounds = f"{self.limits.head_bytes >> 10} KiB or {self.limits.headers} headers"
        return f"the request's head is over {bounds}; send less"
