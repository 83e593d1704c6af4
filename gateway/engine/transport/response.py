"""One answer of vLLM as far as it has arrived, and the errors that can end it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol

# What is read of one answer at most. Eight sequences of 4,096 tokens, each with twenty others, are about 50 MB.
MOST_BYTES = 128 << 20


class Carrier(Protocol):
    """The connection that an answer comes on."""

    loop: asyncio.AbstractEventLoop

    def resume(self) -> None:
        """Resume reading after the reader has caught up."""

    def abort(self) -> None:
        """Close the connection in the middle of an answer that nobody reads."""


class BrokenError(Exception):
    """The connection broke; ``begun`` says whether part of the answer had arrived."""

    def __init__(self, why: str, *, begun: bool = False) -> None:
        super().__init__(why)
        self.begun = begun


class SilentError(Exception):
    """The server took the request and sent nothing in time."""


class EngineResponse:
    """The answer to one request as far as it has arrived, for one reader.

    ``on_end`` is called once: when the server has sent it all, or when its reader is so far behind that it must have.
    """

    __slots__ = ("_connection", "_on_end", "_parts", "_waiter", "done", "error", "framed", "heard", "size", "status")

    def __init__(self, connection: Carrier, now: float) -> None:
        self._connection = connection
        self._parts: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self._on_end: Callable[[], None] | None = None
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
        """The body as it arrives; each chunk is all that arrived since the last. Raises BrokenError or SilentError."""
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
        """Stop reading. An incomplete answer is cancelled: the server sees the connection close."""
        if not self.done:
            self._connection.abort()

    def when_ended(self, act: Callable[[], None]) -> None:
        """Have ``act`` called at the end, which may have come already."""
        self._on_end = act
        if self.done:
            self.ended()

    def ended(self) -> None:
        """Note that the server works on it no longer."""
        act, self._on_end = self._on_end, None
        if act is not None:
            act()

    def take(self, body: bytes) -> None:
        """Buffer a part of the body."""
        self._parts.append(body)
        self.size += len(body)

    def wake(self) -> None:
        """Wake the reader: data has arrived, or the answer has ended."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _more(self) -> None:
        if self.error is not None:
            raise self.error
        self._waiter = self._connection.loop.create_future()
        await self._waiter
        if self.error is not None:
            raise self.error
