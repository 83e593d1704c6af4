"""What ``postil serve`` runs: the gateway behind its port, with its progress on the screen."""

from __future__ import annotations

import asyncio
import logging
import socket

import uvicorn
import uvloop
from rich.console import Console
from rich.logging import RichHandler

from postil.gateway.app import create_app
from postil.gateway.cli.connection import CommandError
from postil.gateway.cli.progress import ServeProgress
from postil.gateway.cli.repeats import Repeats
from postil.gateway.door.protocol import bounded
from postil.gateway.leaving import Server, closing
from postil.gateway.lifecycle import Gateway
from postil.gateway.settings import Settings
from postil.plugins.manager import PluginManager

_BACKLOG = 2048


def run(settings: Settings) -> int:
    """Serve until Ctrl-C; returns the exit status. Raises CommandError if the port is taken."""
    listener = _listen(settings)
    try:
        return uvloop.run(_serve(settings, listener))
    except KeyboardInterrupt:
        return 0  # Ctrl-C is how it is meant to end; by now everything has.


async def _serve(settings: Settings, listener: socket.socket) -> int:
    console = Console(stderr=True, highlight=False)
    handler = RichHandler(console=console)
    handler.addFilter(Repeats())
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    progress = ServeProgress(console, settings, port=listener.getsockname()[1])
    gateway = Gateway(settings, PluginManager(folder=settings.plugins_dir), tell=progress.tell)
    server = Server(
        uvicorn.Config(
            closing(gateway, create_app(gateway)), http=bounded(settings.door), log_config=None, access_log=False,
            lifespan="on", ws="none", server_header=False, date_header=False, proxy_headers=False,
        ),
        gateway,
    )
    progress.on_failure = lambda: setattr(server, "should_exit", True)
    with progress:
        try:
            await server.serve(sockets=[listener])
        except asyncio.CancelledError:
            pass  # A second Ctrl-C: the lifespan has ended the engine all the same.
    return 1 if progress.failed or not server.started else 0


def _listen(settings: Settings) -> socket.socket:
    """Take the port before anything else is done: an engine is slow to start and then to throw away."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise CommandError(
            f"cannot listen on {settings.host}:{settings.port} ({error.strerror or error}); stop what does, or choose"
            " another address with POSTIL_HOST or POSTIL_PORT"
        ) from error
    listener.listen(_BACKLOG)
    return listener
