"""Runs the gateway for ``postil serve`` and shows its progress."""

from __future__ import annotations

import asyncio
import socket

import uvloop

from postil.gateway.cli.startup_display import ServeProgress
from postil.gateway.server.app import create_app
from postil.gateway.server.bootstrap import build
from postil.gateway.server.shutdown import Server, configured
from postil.gateway.server.sockets import listen, reserve
from postil.gateway.server.workers.pool import behind_workers
from postil.gateway.settings import Settings
from postil.gateway.telemetry.logging import log_to
from postil.gateway.telemetry.terminal import Terminal
from postil.plugins.manager import PluginManager


def run(settings: Settings) -> int:
    """Serve until Ctrl-C and return the exit status. Raises SettingsError if the port is taken."""
    listener = take_port(settings)
    try:
        return uvloop.run(_serve(settings, listener))
    except KeyboardInterrupt:
        return 0  # Ctrl-C is the normal way to stop; everything has stopped by now.


def take_port(settings: Settings) -> socket.socket:
    """Listen on the port, or reserve it for workers. Raises SettingsError."""
    return (listen if settings.workers == 1 else reserve)(settings.host, settings.port)


async def _serve(settings: Settings, listener: socket.socket) -> int:
    console = Terminal(stderr=True)
    log_to(console)
    address = listener.getsockname()
    progress = ServeProgress(console, settings, port=address[1])
    workers = settings.workers > 1
    plugins = PluginManager(folder=settings.plugins_dir, logs=settings.home / "logs")
    runtime = build(settings, plugins, address=address[:2] if workers else None)
    app = create_app(runtime, progress.tell)
    if workers:
        app, listener = behind_workers(runtime.workers, app, runtime.run_folder)
    server = Server(configured(settings, runtime.traffic, app), runtime.engine.client.cut, runtime.workers)
    progress.on_failure = lambda: setattr(server, "should_exit", True)
    with progress:
        try:
            await server.serve(sockets=[listener])
        except asyncio.CancelledError:
            pass  # A second Ctrl-C: the lifespan has stopped the engine anyway.
    return 1 if progress.failed or not server.started else 0
