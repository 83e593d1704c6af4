"""A worker's connection to its primary."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from postil.gateway import errors
from postil.gateway.engine.lease import NotLoadedError
from postil.gateway.errors import EngineUnavailableError, GatewayError
from postil.gateway.ipc import Frames
from postil.gateway.server.workers import messages as said

_KINDS: dict[str, type[GatewayError]] = {
    kind.__name__: kind
    for kind in (
        NotLoadedError,
        errors.BadRequestError,
        errors.EngineUnavailableError,
        errors.QueueFullError,
        errors.DeadlinePassedError,
        errors.RequestsLimitedError,
        errors.TokensLimitedError,
    )
}


class PrimaryClient(asyncio.Protocol):
    """Sends messages and waits for answers. ``hear`` gets updates in order; ``lost`` is called on disconnect."""

    def __init__(self, hear: Callable[[said.Update], None], lost: Callable[[], None]) -> None:
        self._hear = hear
        self._lost = lost
        self._transport: asyncio.Transport
        self._frames = Frames()
        self._asked: dict[int, asyncio.Future[said.PrimaryMessage]] = {}
        self._numbers = 0

    def number(self) -> int:
        """Return a new message number."""
        self._numbers += 1
        return self._numbers

    def send(self, word: said.WorkerMessage) -> None:
        """Send a message that gets no answer."""
        self._transport.write(said.packet(word))

    async def request(self, number: int, word: said.WorkerMessage) -> said.PrimaryMessage:
        """Send a numbered message and return its answer."""
        future: asyncio.Future[said.PrimaryMessage] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        self.send(word)
        try:
            return await future
        finally:
            del self._asked[number]

    # Called by the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the new connection's transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Pass each reply to the request that waits for it; drop other replies."""
        for frame in self._frames.feed(data):
            reply = said.replies.decode(frame)
            if isinstance(reply, said.Update):
                self._hear(reply)
            elif (future := self._asked.get(reply.id)) is not None and not future.done():
                future.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the worker: it cannot work without the primary."""
        self._lost()


def refusal_error(reply: said.Rejected) -> GatewayError:
    """Return the error in a reply of the primary."""
    kind = _KINDS.get(reply.kind, EngineUnavailableError)
    error = kind(reply.text)
    error.retry_after, error.headers = reply.retry_after, reply.headers
    return error
