"""A worker process, started by the primary: ``python -m postil.gateway.server.workers.main DESCRIPTOR``."""

from __future__ import annotations

import asyncio
import os
import pickle
import socket
import sys
from typing import Any

import uvloop
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from postil.gateway.api.cors import letting
from postil.gateway.api.key_connections import KeyConnections
from postil.gateway.api.openai.completions import CompletionsShortcut, completion_handlers
from postil.gateway.api.traced import traced
from postil.gateway.api.translated import translated_handlers
from postil.gateway.server.collector import collect_seldom
from postil.gateway.server.own_process import keep_to_itself
from postil.gateway.server.shutdown import Server, configured
from postil.gateway.server.sockets import share
from postil.gateway.server.workers.client import PrimaryClient
from postil.gateway.server.workers.messages import Ack, Update
from postil.gateway.server.workers.proxy import Forward
from postil.gateway.server.workers.updates import END, SERVE, Start
from postil.gateway.server.workers.worker import Worker, end
from postil.gateway.telemetry.logging import log_to
from postil.gateway.telemetry.terminal import Terminal


def main(descriptor: int) -> int:
    """Serve until the primary says stop or disconnects; return the exit status."""
    os.set_inheritable(descriptor, False)
    log_to(Terminal(stderr=True))
    keep_to_itself()
    collect_seldom()
    return uvloop.run(_work(socket.socket(fileno=descriptor)))


async def _work(channel: socket.socket) -> int:
    heard: asyncio.Queue[Update] = asyncio.Queue()
    link = PrimaryClient(heard.put_nowait, end)
    await asyncio.get_running_loop().create_unix_connection(lambda: link, sock=channel)
    first = await heard.get()
    start: Start = pickle.loads(first.content)  # noqa: S301 - the primary's own
    worker, forward = Worker(start, link), Forward(start.front, start.keys.front)
    link.send(Ack(first.number))
    server = Server(configured(worker.settings, worker.traffic, _application(worker, forward)), worker.client.cut)
    listener: asyncio.Future[socket.socket] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as beside:
        hearing = beside.create_task(_hear(worker, heard, server, start.address, listener))
        await server.serve(sockets=[await listener])
        hearing.cancel()
    return 0 if server.started else 1


async def _hear(
    worker: Worker,
    heard: asyncio.Queue[Update],
    server: Server,
    address: tuple[str, int],
    listener: asyncio.Future[socket.socket],
) -> None:
    """Apply updates in order. The worker listens only after the primary says that it knows enough."""
    while True:
        update = await heard.get()
        if update.what == END:
            server.should_exit = True
        if update.what in (SERVE, END) and not listener.done():
            listener.set_result(share(*address))
        await worker.hear(update)


def _application(worker: Worker, forward: Forward) -> ASGIApp:
    async def others(scope: Scope, receive: Receive, send: Send) -> None:
        await (forward if scope["type"] == ScopeType.HTTP else lifespan)(scope, receive, send)

    async def lifespan(scope: Scope, receive: Receive, send: Any) -> None:
        await receive()
        worker.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await worker.stop()
        await forward.close()
        await send({"type": "lifespan.shutdown.complete"})

    parts = worker.parts()
    handlers = traced(parts.context.tracer, {**completion_handlers(parts), **translated_handlers(parts)})
    app = CompletionsShortcut(others, handlers)
    counted = KeyConnections(app, lambda: worker.directory, worker.settings.tenant_connections)
    return letting(counted, worker.settings.cors_origins)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
