"""Health at a port of its own, answered by a thread: it shares nothing with requests, and sees whether they go on."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from email.utils import formatdate
from functools import partial
from http import HTTPStatus
from typing import Any

import msgspec

from postil.gateway.api.health import Liveness, Readiness

log = logging.getLogger(__name__)
_BEAT_SECONDS = 0.25
# Without a beat for so long, requests are held up; for so long, something must restart the process.
_READY_SECONDS, _LIVE_SECONDS = 5.0, 30.0
_HEAD_SECONDS, _HEAD_BYTES = 2.0, 8 << 10
# More than asyncio accepts in one go, so that what a probe has sent is read before it can be the oldest.
_MOST_OPEN = 256
_TURNS_TO_CONNECT = 3
_ALLOW = "allow: GET, HEAD\r\n"


class HealthPortError(Exception):
    """Nobody answers at the health port."""


class _Thread(threading.Thread):
    """Runs ``serve`` in an event loop of its own until ``stop``."""

    def __init__(self, serve: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
        super().__init__(name="health", daemon=True)
        self._serve = serve
        self._ended = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._up = threading.Event()

    def run(self) -> None:
        """Serve."""
        try:
            asyncio.run(self._main())
        finally:
            self._up.set()

    def stop(self) -> None:
        """End the thread, which closes its socket itself: it waits for connections there."""
        self._up.wait(_HEAD_SECONDS)
        if self._loop is not None and self.is_alive():
            with suppress(RuntimeError):  # It has ended in this moment.
                self._loop.call_soon_threadsafe(self._ended.set)
        self.join(_HEAD_SECONDS)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._up.set()
        await self._serve(self._ended)


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
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Answer until it is cancelled; runs in the event loop whose beat is watched, and can be run again.

        Raises HealthPortError when the thread has ended by itself.
        """
        thread = _Thread(self._serve)
        thread.start()
        try:
            while thread.is_alive():
                self._beat = self._clock()
                await asyncio.sleep(_BEAT_SECONDS)
            raise HealthPortError("the thread of the health port has ended; it is started again")
        finally:
            thread.stop()

    async def _serve(self, ended: asyncio.Event) -> None:
        # A copy, as the server closes what it is given, and the port is to be answered again if this fails.
        server = await asyncio.start_server(self._connected, sock=self._listener.dup(), limit=_HEAD_BYTES)
        async with server:
            await ended.wait()
        # A socket that was accepted in this moment has a task that makes its transport, and it is that which is closed.
        for _ in range(_TURNS_TO_CONNECT):
            await asyncio.sleep(0)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Have one connection answered; where there are too many the oldest gives way, as a probe speaks at once."""
        if len(self._open) >= _MOST_OPEN:
            oldest = next(iter(self._open))
            del self._open[oldest]
            oldest.transport.abort()
        self._open[writer] = task = asyncio.get_running_loop().create_task(self._answer(reader, writer))
        # One that the end of the port cancels before it has begun is closed too.
        task.add_done_callback(partial(self._close, writer))

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            # Whoever asks in another way, or not at all, gets no answer.
            async with asyncio.timeout(_HEAD_SECONDS):
                writer.write(self.answer(await reader.readuntil(b"\r\n\r\n")))
                await writer.drain()

    def _close(self, writer: asyncio.StreamWriter, task: asyncio.Task[None]) -> None:
        self._open.pop(writer, None)
        writer.close()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a request at the health port failed", exc_info=error)

    def answer(self, head: bytes) -> bytes:
        """Return the whole response to a request with this head."""
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        allowed = method in (b"GET", b"HEAD")
        status, content = self._content(path) if allowed else (405, _Told("takes GET"))
        body = msgspec.json.encode(content)
        return (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
            f"date: {formatdate(usegmt=True)}\r\n{'' if allowed else _ALLOW}"
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
