"""Watches a client that reads its answer slowly, and says when it takes nothing any more."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

# `tcpi_bytes_acked` in the kernel's `struct tcp_info` (Linux 4.1): what the other side has confirmed so far.
_ACKED = struct.Struct("@Q")
_ACKED_AT = 120
_INFO_BYTES = _ACKED_AT + _ACKED.size


class ReaderWatch:
    """Calls ``give_up`` once the client has taken nothing for ``seconds`` while something waits to be sent.

    What counts is what the client's system has confirmed: the buffers here move in large steps, so that a client that
    reads little, but always a little, would seem to read nothing.
    """

    __slots__ = ("_give_up", "_left", "_loop", "_seconds", "_taken", "_timer", "_transport")

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        seconds: float,
        give_up: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._seconds = seconds
        self._give_up = give_up
        self._timer: asyncio.TimerHandle | None = None
        self._taken = self._left = 0

    def start(self) -> None:
        """Begin to watch, unless it is watched already or nothing waits."""
        if self._timer is None and self._transport.get_write_buffer_size():
            self._arm()

    def stop(self) -> None:
        """Watch no longer: the connection has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        self._taken, self._left = self._confirmed(), self._transport.get_write_buffer_size()
        self._timer = self._loop.call_later(self._seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        left = self._transport.get_write_buffer_size()
        if not left:
            return
        if self._confirmed() > self._taken or left < self._left:
            self._arm()
        else:
            self._give_up()

    def _confirmed(self) -> int:
        """How many bytes the client has confirmed; 0 where the system does not say, as for a unix socket."""
        try:
            info = self._transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
        except (AttributeError, OSError):
            return 0
        return int(_ACKED.unpack_from(info, _ACKED_AT)[0]) if len(info) >= _INFO_BYTES else 0
