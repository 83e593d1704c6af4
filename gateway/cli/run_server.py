"""Runs the gateway for ``postil serve`` and shows its progress."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import uvloop

from postil.gateway.api.health import readiness
from postil.gateway.cli.startup_display import ServeProgress
from postil.gateway.control.runtime import Runtime
from postil.gateway.plugin_host.sandbox import sandbox_of
from postil.gateway.server import metrics_port
from postil.gateway.server.app import create_app
from postil.gateway.server.bootstrap import build
from postil.gateway.server.collector import collect_seldom
from postil.gateway.server.file_modes import refuse_writable_plugins
from postil.gateway.server.health_port import HealthPort
from postil.gateway.server.own_process import forget_secrets, keep_to_itself
from postil.gateway.server.shutdown import Server, configured
from postil.gateway.server.sockets import listen, raise_file_limit, reserve
from postil.gateway.server.workers.pool import behind_workers
from postil.gateway.settings import Settings
from postil.gateway.telemetry.logging import log_to
from postil.gateway.telemetry.terminal import Terminal
from postil.plugins.manager import PluginManager
from postil.registry.fsutil import private_umask

log = logging.getLogger(__name__)
_HEALTH = "health port"


def run(settings: Settings) -> int:
    """Serve until Ctrl-C and return the exit status. Raises SettingsError if a port is taken."""
    collect_seldom()
    raise_file_limit()
    private_umask(shared=settings.shared_with_group)
    keep_to_itself()
    forget_secrets()
    if settings.plugins_dir is not None:
        refuse_writable_plugins(settings.plugins_dir, shared=settings.shared_with_group)
    listener = take_port(settings)
    beside = [] if settings.admin_port is None else [listen(settings.admin_address, settings.admin_port)]
    beside += [] if settings.metrics_port is None else [listen(metrics_port.HOST, settings.metrics_port)]
    try:
        return uvloop.run(_serve(settings, listener, beside))
    except KeyboardInterrupt:
        return 0  # Ctrl-C is the normal way to stop; everything has stopped by now.


def take_port(settings: Settings) -> socket.socket:
    """Listen on the port, or reserve it for workers. Raises SettingsError."""
    return (listen if settings.workers == 1 else reserve)(settings.host, settings.port)


async def _serve(settings: Settings, listener: socket.socket, beside: Sequence[socket.socket] = ()) -> int:
    console = Terminal(stderr=True)
    log_to(console)
    warn_of_plain_text(settings)
    address = listener.getsockname()
    progress = ServeProgress(console, settings, port=address[1])
    workers = settings.workers > 1
    plugins = PluginManager(folder=settings.plugins_dir, logs=settings.home / "logs", sandbox=sandbox_of(settings))
    runtime = build(settings, plugins, address=address[:2] if workers else None)
    app = create_app(runtime, progress.tell)
    if workers:
        app, listener = behind_workers(runtime.workers, app, runtime.run_folder, runtime.keys.front)
    server = Server(configured(settings, runtime.traffic, app), runtime.engine.client.cut, runtime.workers)
    progress.on_failure = lambda: setattr(server, "should_exit", True)
    async with _health(runtime):
        with progress:
            try:
                await server.serve(sockets=[listener, *beside])
            except asyncio.CancelledError:
                pass  # A second Ctrl-C: the lifespan has stopped the engine anyway.
    return 1 if progress.failed or not server.started else 0


def warn_of_plain_text(settings: Settings) -> None:
    """Log one line where others may read along: behind a proxy that speaks TLS, it is as it should be."""
    if settings.tls_certificate is None and not settings.on_loopback:
        log.warning(
            "%s can be reached from other machines without TLS; set POSTIL_TLS_CERTIFICATE and POSTIL_TLS_KEY, unless a"
            " proxy in front does it",
            settings.host,
        )


@asynccontextmanager
async def _health(runtime: Runtime) -> AsyncIterator[None]:
    """Answer at the health port, if there is one. Raises SettingsError if it is taken."""
    settings = runtime.settings
    if settings.health_port is None:
        yield
        return
    state = partial(readiness, runtime.engine, runtime.traffic, runtime.tasks)
    with listen(settings.host, settings.health_port) as listener:
        runtime.tasks.start(_HEALTH, HealthPort(listener, state).run)
        try:
            yield
        finally:
            await runtime.tasks.stop(_HEALTH)
