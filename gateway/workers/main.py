"""A worker's process: ``python -m postil.gateway.workers.main DESCRIPTOR``, started by the keeper with its socket."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import socket
import sys
from typing import Any

import uvicorn
import uvloop
from litestar.enums import ScopeType
from litestar.types import Receive, Scope, Send
from rich.console import Console
from rich.logging import RichHandler

from postil.gateway.cli.repeats import Repeats
from postil.gateway.door.protocol import bounded
from postil.gateway.leaving import Server, closing
from postil.gateway.listening import share
from postil.gateway.routes.completions import Shortcut
from postil.gateway.workers.forward import Forward
from postil.gateway.workers.link import Link
from postil.gateway.workers.messages import Known, News
from postil.gateway.workers.news import END, Start
from postil.gateway.workers.worker import Worker, end

log = logging.getLogger(__name__)


def main(descriptor: int) -> int:
    """Answer until the keeper says that it is enough, or is no more; returns the exit status."""
    os.set_inheritable(descriptor, False)
    handler = RichHandler(console=Console(stderr=True, highlight=False))
    handler.addFilter(Repeats())
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    return uvloop.run(_work(socket.socket(fileno=descriptor)))


async def _work(channel: socket.socket) -> int:
    heard: asyncio.Queue[News] = asyncio.Queue()
    link = Link(heard.put_nowait, end)
    await asyncio.get_running_loop().create_unix_connection(lambda: link, sock=channel)
    first = await heard.get()
    start: Start = pickle.loads(first.content)  # noqa: S301 - the keeper's own
    worker, forward = Worker(start, link), Forward(start.front)
    link.say(Known(first.number))
    server, listener = Server(_config(worker, forward), worker), share(*start.address)
    # Connections wait until it knows all of that.
    for _ in range(start.news):
        await worker.hear(await heard.get())
    async with asyncio.TaskGroup() as beside:
        hearing = beside.create_task(_hear(worker, heard, server))
        await server.serve(sockets=[listener])
        hearing.cancel()
    return 0 if server.started else 1


async def _hear(worker: Worker, heard: asyncio.Queue[News], server: Server) -> None:
    """Take over what comes, one after the other."""
    while True:
        news = await heard.get()
        if news.what == END:
            server.should_exit = True
        await worker.hear(news)


def _config(worker: Worker, forward: Forward) -> uvicorn.Config:
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

    return uvicorn.Config(
        closing(worker, Shortcut(worker, others)), http=bounded(worker.settings.door), log_config=None,
        access_log=False, lifespan="on", ws="none", server_header=False, date_header=False, proxy_headers=False,
    )


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
