"""A uvicorn server whose sockets differ: TLS where clients connect, an admin port with its own connections."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from dataclasses import replace
from functools import partial
from typing import Any

import uvicorn

from postil.gateway.server.handshake import TlsListener
from postil.gateway.server.http_protocol import Door, bounded
from postil.gateway.server.tls import ReloadingContext
from postil.gateway.settings import Settings

_STARTUP_FAILURE = 3
# Of the admin port, whose connections are counted apart: nobody else's can take them.
_ADMIN_CONNECTIONS = 128


class ListeningServer(uvicorn.Server):
    """Listens at sockets that are given. ``tls`` is for TCP sockets; a unix socket is between processes of postil."""

    def __init__(self, config: uvicorn.Config, settings: Settings, tls: ReloadingContext | None) -> None:
        super().__init__(config)
        self._limits = settings.http_limits
        self._admin_port = settings.admin_port
        self._metrics_port = settings.metrics_port
        self._tls = tls
        self._watching: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then listen."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(_STARTUP_FAILURE)
        self.servers = [await self._listen(each) for each in sockets or ()]
        self._watch()
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, and end."""
        if self._watching is not None:
            self._watching.cancel()
        await super().shutdown(sockets)

    async def _listen(self, sock: socket.socket) -> Any:
        kind: Any = self.config.http_protocol_class
        if self._is_at(sock, self._admin_port, self._metrics_port):
            kind = bounded(replace(self._limits, connections=_ADMIN_CONNECTIONS, per_address=_ADMIN_CONNECTIONS))
        make = partial(self._protocol, kind)
        loop, tls = asyncio.get_running_loop(), self._tls_at(sock)
        if tls is None:
            return await loop.create_server(make, sock=sock, backlog=self.config.backlog)
        listener = TlsListener(sock, make, lambda: tls.current)
        listener.start()
        return listener

    def _protocol(self, kind: type[Door]) -> Door:
        return kind(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    def _tls_at(self, sock: socket.socket) -> ReloadingContext | None:
        """TLS, but between processes of this machine."""
        inside = sock.family == socket.AF_UNIX or self._is_at(sock, self._metrics_port)
        return None if inside else self._tls

    def _is_at(self, sock: socket.socket, *ports: int | None) -> bool:
        return sock.family != socket.AF_UNIX and sock.getsockname()[1] in ports

    def _watch(self) -> None:
        """Read the certificate again when its files change, and at once at SIGHUP."""
        if self._tls is not None:
            loop = asyncio.get_running_loop()
            self._watching = loop.create_task(self._tls.watch())
            loop.add_signal_handler(signal.SIGHUP, self._tls.reload)
