"""Health at a port of its own, answered by a thread: it shares nothing with requests, and sees whether they go on."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable
from http import HTTPStatus

import msgspec

from postil.gateway.api.health import Liveness, Readiness

log = logging.getLogger(__name__)
_BEAT_SECONDS = 0.25
# Without a beat for so long, requests are held up; for so long, something must restart the process.
_READY_SECONDS, _LIVE_SECONDS = 5.0, 30.0
_HEAD_SECONDS, _HEAD_BYTES, _MOST_OPEN = 2.0, 8 << 10, 64


class HealthPort:
    """Answers ``/health/live`` and ``/health/ready`` at ``listener``. ``readiness`` is read in the thread.

    The event loop of requests notes that it runs; where it has not for 5 s the gateway is not ready, for 30 s not live.
    """

    def __init__(
        self,
        listener: socket.socket,
        readiness: Callable[[], tuple[int, Readiness]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._listener = listener
        self._readiness = readiness
        self._clock = clock
        self._beat = clock()
        self._open = 0
        self._thread = threading.Thread(target=self._run, name="health", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()
        self._up = threading.Event()

    async def run(self) -> None:
        """Answer until it is cancelled; runs in the event loop whose beat is watched."""
        self._thread.start()
        try:
            while True:
                self._beat = self._clock()
                await asyncio.sleep(_BEAT_SECONDS)
        finally:
            self._stop()

    def _stop(self) -> None:
        """End the thread, which closes its socket itself: it waits for connections there."""
        self._up.wait(_HEAD_SECONDS)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(_HEAD_SECONDS)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._up.set()
        server = await asyncio.start_server(self._connected, sock=self._listener, limit=_HEAD_BYTES)
        async with server:
            await self._ended.wait()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= _MOST_OPEN:
                async with asyncio.timeout(_HEAD_SECONDS):
                    writer.write(self.answer(await reader.readuntil(b"\r\n\r\n")))
                    await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # Whoever asks in another way, or not at all, gets no answer.
        finally:
            self._open -= 1
            writer.close()

    def answer(self, head: bytes) -> bytes:
        """Return the whole response to a request with this head."""
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        status, content = self._content(path) if method in (b"GET", b"HEAD") else (405, _Told("takes GET"))
        body = msgspec.json.encode(content)
        return (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n"
        ).encode() + (b"" if method == b"HEAD" else body)

    def _content(self, path: bytes) -> tuple[int, msgspec.Struct]:
        silent = self._clock() - self._beat
        if path == b"/health/live":
            return (200, Liveness()) if silent < _LIVE_SECONDS else (503, _Told("stalled"))
        if path == b"/health/ready":
            return self._readiness() if silent < _READY_SECONDS else (503, _Told("stalled"))
        return 404, _Told("only /health/live and /health/ready are here")


class _Told(msgspec.Struct):
    """What is said where there is no state to show."""

    status: str
