"""One answer of the engine, as far as it has come, and the ways in which it may not come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

# What is read of one answer at most. Eight sequences of 4,096 tokens, each with twenty others, are about 50 MB.
MOST_BYTES = 128 << 20


class Carrier(Protocol):
    """The connection that an answer comes on."""

    loop: asyncio.AbstractEventLoop

    def resume(self) -> None:
        """Read on, if the reader was too slow."""

    def abort(self) -> None:
        """Hang up in the middle of an answer that nobody waits for."""


class BrokenError(Exception):
    """The connection broke; ``begun`` tells whether any of the answer had come by then."""

    def __init__(self, why: str, *, begun: bool = False) -> None:
        super().__init__(why)
        self.begun = begun


class SilentError(Exception):
    """Nothing came for as long as the server has; it has heard the request."""


class EngineResponse:
    """The answer to one request, as far as it has come. One reader."""

    __slots__ = ("_connection", "_parts", "_waiter", "done", "error", "framed", "heard", "size", "status")

    def __init__(self, connection: Carrier, now: float) -> None:
        self._connection = connection
        self._parts: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self.error: Exception | None = None
        self.status = self.size = 0
        self.done = self.framed = False
        self.heard = now

    async def head(self) -> None:
        """Return when the status is known. Raises BrokenError or SilentError."""
        while not self.status:
            await self._more()

    async def read(self, most: int = MOST_BYTES) -> bytes:
        """The whole body. Raises BrokenError, also at more than ``most`` bytes, or SilentError."""
        while not self.done and self.size <= most:
            self._connection.resume()  # It is wanted whole.
            await self._more()
        if self.size > most:
            raise BrokenError(f"more than {most} bytes came", begun=True)
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes, all that has come since at a time. Raises BrokenError or SilentError."""
        while True:
            if self._parts:
                parts, self._parts, self.size = self._parts, [], 0
                self._connection.resume()
                yield parts[0] if len(parts) == 1 else b"".join(parts)
            elif self.done:
                return
            else:
                await self._more()

    def leave(self) -> None:
        """Nobody reads on. An answer that is not whole is cancelled: the server sees that its client has gone."""
        if not self.done:
            self._connection.abort()

    def take(self, body: bytes) -> None:
        """A part of the body has come."""
        self._parts.append(body)
        self.size += len(body)

    def wake(self) -> None:
        """Something has come, or never will."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _more(self) -> None:
        if self.error is not None:
            raise self.error
        self._waiter = self._connection.loop.create_future()
        await self._waiter
        if self.error is not None:
            raise self.error
