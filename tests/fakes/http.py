"""Real HTTP on loopback for an ASGI application, in this event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class _Server(uvicorn.Server):
    """A server that leaves the signals of the test run alone, says when it has started, and ends when told."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()
        self.told_to_end = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        self.up.set()

    async def main_loop(self) -> None:
        """Wait for the end; uvicorn's own looks ten times a second."""
        await self.on_tick(0)
        await self.told_to_end.wait()


@asynccontextmanager
async def serving(
    app: Any, *, lifespan: str = "off", http: Any = "auto", listener: socket.socket | None = None
) -> AsyncIterator[str]:
    """Serve ``app`` on a free port of 127.0.0.1, or at ``listener``; yields its URL."""
    if listener is None:
        # Told that it is TCP, asyncio turns Nagle's algorithm off: else each answer takes 40 ms.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
    name = listener.getsockname()
    config = uvicorn.Config(
        app,
        http=http,
        log_level="critical",
        lifespan=lifespan,  # type: ignore[arg-type]
        ws="none",
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    task = asyncio.create_task(server._serve([listener]))
    try:
        await asyncio.wait({task, up := asyncio.create_task(server.up.wait())}, return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        if task.done():
            await task
        yield f"unix:{name}" if isinstance(name, str) else f"http://127.0.0.1:{name[1]}"
    finally:
        server.told_to_end.set()
        await task


async def read_body(receive: Receive) -> bytes:
    """The whole body of a request."""
    body = bytearray()
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return bytes(body)


async def respond(send: Send, status: int, body: bytes) -> None:
    """A whole JSON answer."""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
