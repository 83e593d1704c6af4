"""How a gateway leaves: those who send it requests hear of it first, then its port closes, then what is left is cut."""

from __future__ import annotations

import asyncio
import signal
from types import FrameType
from typing import TYPE_CHECKING, Protocol

import uvicorn
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from postil.gateway.control.subscribers import Subscribers
from postil.gateway.engine.client import EngineClient
from postil.gateway.server.http_protocol import bounded
from postil.gateway.settings import Settings

if TYPE_CHECKING:
    import socket

_TICK_SECONDS = 0.05
# Between the moment when the rest is cut and the one when uvicorn drops what has still not ended.
_LAST_WORDS_SECONDS = 2


class Drainable(Protocol):
    """What leaves: a gateway, or a worker."""

    draining: bool
    settings: Settings
    client: EngineClient


class Server(uvicorn.Server):
    """uvicorn's server, which on SIGTERM goes on answering for a while as one that is not ready.

    Whoever balances asks ``/health/ready`` now and then, and sends requests until it has: a port that closes at once
    would refuse those. Each answer closes its connection meanwhile, so that none is idle when the port does close.
    Ctrl-C, and a second signal, do not wait for that. What is in its ``pool`` leaves first.
    """

    def __init__(self, config: uvicorn.Config, gateway: Drainable, pool: Subscribers | None = None) -> None:
        config.timeout_graceful_shutdown = int(gateway.settings.drain_seconds) + _LAST_WORDS_SECONDS
        super().__init__(config)
        self._gateway = gateway
        self._pool = pool or Subscribers()
        self._signals: list[int] = []

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal to end."""
        self._signals.append(sig)
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Say that it leaves, wait, close the port, let requests end, and cut what has not ended in time."""
        self._gateway.draining = True
        self._pool.tell_draining()
        loop = asyncio.get_running_loop()
        until = loop.time() + self._gateway.settings.leave_seconds
        while self._signals == [signal.SIGTERM] and loop.time() < until:  # noqa: ASYNC110 - signals set no event
            await asyncio.sleep(_TICK_SECONDS)
        await self._pool.drain()
        cutting = asyncio.create_task(self._cut())
        try:
            await super().shutdown(sockets)
        finally:
            cutting.cancel()

    async def _cut(self) -> None:
        """After the time for draining: streams end with an error event, the others with a 503."""
        await asyncio.sleep(self._gateway.settings.drain_seconds)
        await self._gateway.client.cut()


def configured(gateway: Drainable, app: ASGIApp) -> uvicorn.Config:
    """How uvicorn serves an application, behind the door and with the way out."""
    return uvicorn.Config(
        closing(gateway, app),
        http=bounded(gateway.settings.door),
        log_config=None,
        access_log=False,
        lifespan="on",
        ws="none",
        server_header=False,
        date_header=False,
        proxy_headers=False,
    )


def closing(gateway: Drainable, app: ASGIApp) -> ASGIApp:
    """The application, whose answers close their connections once the gateway leaves."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, _last(send) if gateway.draining and scope["type"] == ScopeType.HTTP else send)

    return answer


def _last(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return sent
