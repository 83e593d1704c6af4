"""Messages on a stream socket: each after its length."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_LENGTH = struct.Struct("!I")


class FrameError(Exception):
    """The other side says what is no message."""


class Frames:
    """Cuts what arrives into messages, of at most ``limit`` bytes each."""

    def __init__(self, limit: int = (1 << 32) - 1) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._held = self._wanted = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Every message that is whole by now. Raises FrameError."""
        if self._held:
            self._parts.append(data)
            self._held += len(data)
            if self._held < self._wanted:  # What comes in many pieces is put together once.
                return
            data = b"".join(self._parts)
        at, end = 0, len(data)
        self._wanted = _LENGTH.size
        while end - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(data, at)
            if length > self._limit:
                raise FrameError(f"a message of {length} bytes")
            if end - at < _LENGTH.size + length:
                self._wanted = _LENGTH.size + length
                break
            at += _LENGTH.size + length
            yield data[at - length : at]
        self._parts, self._held = ([data[at:]], end - at) if at < end else ([], 0)


def framed(body: bytes) -> bytes:
    """A message as it is sent."""
    return _LENGTH.pack(len(body)) + body
