"""Graceful shutdown: announce it to load balancers, close the port, drain requests, then cut the rest."""

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
from postil.gateway.server.admin_port import set_apart
from postil.gateway.server.http_protocol import bounded
from postil.gateway.server.listening import ListeningServer
from postil.gateway.server.tls import ReloadingContext, TlsFiles
from postil.gateway.settings import Settings

if TYPE_CHECKING:
    import socket

_TICK_SECONDS = 0.05
# Seconds between cutting the remaining requests and uvicorn dropping the connections that are still open.
_LAST_WORDS_SECONDS = 2
_HSTS = (b"strict-transport-security", b"max-age=31536000")


@dataclass(frozen=True, slots=True)
class Served:
    """An application with the configuration that uvicorn serves it with."""

    config: uvicorn.Config
    settings: Settings
    traffic: Traffic
    tls: ReloadingContext | None = None


class Server(ListeningServer):
    """A uvicorn server that keeps answering for a while after SIGTERM while it reports not ready.

    Load balancers poll ``/health/ready`` and send requests until they notice, and a port that closes at once would
    refuse those requests. Meanwhile each answer closes its connection, so that none is idle when the port closes.
    Ctrl-C and a second signal skip the delay. The ``workers`` end first; ``cut`` ends the engine's work.
    """

    def __init__(self, served: Served, cut: Callable[[], Awaitable[None]], workers: Workers | None = None) -> None:
        served.config.timeout_graceful_shutdown = int(served.settings.drain_timeout_seconds) + _LAST_WORDS_SECONDS
        super().__init__(served.config, served.settings, served.tls)
        self._settings = served.settings
        self._traffic = served.traffic
        self._cut_engine = cut
        self._workers = workers or Workers()
        self._signals: list[int] = []

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle a signal to stop."""
        self._signals.append(sig)
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Report draining, wait, close the port, drain requests, and cut those that are not done in time."""
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
        """Cut requests after the drain timeout: streams end with an error event, others get a 503."""
        await asyncio.sleep(self._settings.drain_timeout_seconds)
        await self._cut_engine()


def configured(settings: Settings, traffic: Traffic, app: ASGIApp) -> Served:
    """Return uvicorn's configuration with the connection limits, TLS and draining. Raises SettingsError."""
    files = TlsFiles.of(settings)
    app = set_apart(app, settings.admin_port)
    config = uvicorn.Config(
        closing(traffic, app if files is None else strict(app)),
        http=bounded(settings.http_limits),
        log_config=None,
        access_log=False,
        lifespan="on",
        ws="none",
        server_header=False,
        date_header=False,
        proxy_headers=False,
    )
    return Served(config, settings, traffic, None if files is None else ReloadingContext.of(files))


def closing(traffic: Traffic, app: ASGIApp) -> ASGIApp:
    """Wrap the application so that answers close their connections during shutdown."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, _last(send) if traffic.draining and scope["type"] == ScopeType.HTTP else send)

    return answer


def strict(app: ASGIApp) -> ASGIApp:
    """Wrap the application so that browsers that came by TLS come by TLS only from then on."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        secure = scope["type"] == ScopeType.HTTP and scope["scheme"] == "https"
        await app(scope, receive, _with_hsts(send) if secure else send)

    return answer


def _with_hsts(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], _HSTS]}
        await send(message)

    return sent


def _last(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return sent
