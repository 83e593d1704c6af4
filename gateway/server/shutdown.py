"""How a gateway leaves: those who send it requests hear of it first, then its port closes, then what is left is cut."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from postil.gateway.control.traffic import Traffic
from postil.gateway.control.workers import Workers
from postil.gateway.server.http_protocol import bounded
from postil.gateway.settings import Settings

if TYPE_CHECKING:
    import socket

_TICK_SECONDS = 0.05
# Between the moment when the rest is cut and the one when uvicorn drops what has still not ended.
_LAST_WORDS_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Served:
    """An application as uvicorn serves it."""

    config: uvicorn.Config
    settings: Settings
    traffic: Traffic


class Server(uvicorn.Server):
    """uvicorn's server, which on SIGTERM goes on answering for a while as one that is not ready.

    Whoever balances asks ``/health/ready`` now and then, and sends requests until it has: a port that closes at once
    would refuse those. Each answer closes its connection meanwhile, so that none is idle when the port does close.
    Ctrl-C, and a second signal, do not wait for that. Its ``workers`` end first; ``cut`` ends what the engine does.
    """

    def __init__(self, served: Served, cut: Callable[[], Awaitable[None]], workers: Workers | None = None) -> None:
        served.config.timeout_graceful_shutdown = int(served.settings.drain_timeout_seconds) + _LAST_WORDS_SECONDS
        super().__init__(served.config)
        self._settings = served.settings
        self._traffic = served.traffic
        self._cut_engine = cut
        self._workers = workers or Workers()
        self._signals: list[int] = []

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal to end."""
        self._signals.append(sig)
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Say that it leaves, wait, close the port, let requests end, and cut what has not ended in time."""
        self._traffic.draining = True
        self._workers.tell_draining()
        loop = asyncio.get_running_loop()
        until = loop.time() + self._settings.shutdown_delay_seconds
        while self._signals == [signal.SIGTERM] and loop.time() < until:  # noqa: ASYNC110 - signals set no event
            await asyncio.sleep(_TICK_SECONDS)
        await self._workers.drain()
        cutting = asyncio.create_task(self._cut())
        try:
            await super().shutdown(sockets)
        finally:
            cutting.cancel()

    async def _cut(self) -> None:
        """After the time for draining: streams end with an error event, the others with a 503."""
        await asyncio.sleep(self._settings.drain_timeout_seconds)
        await self._cut_engine()


def configured(settings: Settings, traffic: Traffic, app: ASGIApp) -> Served:
    """How uvicorn serves an application: within the limits of a connection, and so that it can be drained."""
    config = uvicorn.Config(
        closing(traffic, app),
        http=bounded(settings.http_limits),
        log_config=None,
        access_log=False,
        lifespan="on",
        ws="none",
        server_header=False,
        date_header=False,
        proxy_headers=False,
    )
    return Served(config, settings, traffic)


def closing(traffic: Traffic, app: ASGIApp) -> ASGIApp:
    """The application, whose answers close their connections once the gateway leaves."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, _last(send) if traffic.draining and scope["type"] == ScopeType.HTTP else send)

    return answer


def _last(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return sent
