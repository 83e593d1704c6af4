"""Accepts connections for TLS. Each is counted from when it is accepted, and has so long for its handshake.

asyncio counts none before its TLS is up, and then it is too late: who connects and says nothing would take all that is
there. Nor can ``start_tls`` be used, as uvloop reads the client's first bytes before it can be called.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

from postil.gateway.server.connection_counts import Standing
from postil.gateway.server.http_protocol import Door

log = logging.getLogger(__name__)
# So many are accepted before others have their turn; where the system has no more files, so long is waited.
_AT_ONCE, _PAUSE_SECONDS = 64, 1.0


class Handshake:
    """A connection from when it is accepted until its door is open; counted with the doors."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    @property
    def is_waiting(self) -> bool:
        """Whether no request is being answered."""
        return True

    def evict(self) -> None:
        """End the connection: another one needs its place, or the port is closed."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)


class TlsListener:
    """Listens at ``sock``, as an ``asyncio.Server`` does. ``make`` returns a new door, ``context`` what it shows."""

    def __init__(self, sock: socket.socket, make: Callable[[], Door], context: Callable[[], ssl.SSLContext]) -> None:
        self._sock = sock
        self._make = make
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._pending: dict[Handshake, asyncio.Task[None]] = {}
        self._pause: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to accept connections."""
        self._pause = None
        self._sock.setblocking(False)
        self._loop.add_reader(self._sock, self._accept)

    def close(self) -> None:
        """Accept no more, and end those that are in the handshake."""
        self._loop.remove_reader(self._sock)
        if self._pause is not None:
            self._pause.cancel()
        for each in self._pending:
            each.evict()

    async def wait_closed(self) -> None:
        """Return when no handshake is left."""
        await asyncio.gather(*self._pending.values(), return_exceptions=True)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                sock, peer = self._sock.accept()
            except (BlockingIOError, ConnectionError, InterruptedError):
                return
            except OSError as error:
                log.error("no connection can be accepted (%s); raise the limit of open files", error.strerror)
                self._loop.remove_reader(self._sock)
                self._pause = self._loop.call_later(_PAUSE_SECONDS, self.start)
                return
            sock.setblocking(False)
            self._begin(sock, peer[0])

    def _begin(self, sock: socket.socket, host: str) -> None:
        door, one = self._make(), Handshake(sock)
        standing = door.counts.enter(one, host)
        if standing is Standing.UNHEARD:
            door.counts.leave(one)
            sock.close()
            return
        limits = door.limits.of_reserve() if standing is Standing.RESERVED else door.limits
        # The place is free at the moment when the door takes one for itself.
        door.when_open = lambda: door.counts.leave(one)
        task = self._loop.create_task(self._open(sock, door, limits.head_seconds))
        self._pending[one] = task
        task.add_done_callback(lambda _: self._pending.pop(one))

    async def _open(self, sock: socket.socket, door: Door, seconds: float) -> None:
        try:
            await self._loop.connect_accepted_socket(
                lambda: door, sock, ssl=self._context(), ssl_handshake_timeout=seconds
            )
        except OSError:
            pass  # Who speaks no TLS, or not in time, is no error of the gateway's.
        finally:
            door.open()
