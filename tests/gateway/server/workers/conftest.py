"""A whole gateway with workers: the primary in this process, the workers in theirs, over a fake engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from postil.gateway.engine.supervisor import Phase
from postil.gateway.server.app import create_app
from postil.gateway.server.bootstrap import build
from postil.gateway.server.http_protocol import bounded
from postil.gateway.server.sockets import reserve
from postil.gateway.server.workers.pool import behind_workers
from postil.gateway.settings import Settings
from postil.plugins.manager import PluginManager
from tests.fakes.adapters import write_base
from tests.fakes.http import serving
from tests.fakes.processes import WORKER, runs
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import TRIAGE, House, bearer, until
from tests.support.databases import prepare_home
from tests.support.plain_http import plain_client

WORKERS = 2
NAME = "healthcare/triage"
ASKED = {"model": "healthcare", "messages": [{"role": "user", "content": "my head hurts"}]}


@asynccontextmanager
async def running_pool(folder: Path, engine: FakeVLLM, engine_url: str, **settings: Any) -> AsyncIterator[House]:
    """A gateway with two workers, ready to answer."""
    known = {
        "home": folder / "home", "base_model": str(write_base(folder / "base")), "engine_url": engine_url,
        "workers": WORKERS, "port": 0, "drain_timeout_seconds": 5.0, "tenant_concurrent_requests": 1024, **settings,
    }  # fmt: skip
    prepare_home(known["home"])
    plugins = PluginManager(folder=known.get("plugins_dir"))
    with reserve("127.0.0.1", 0) as reserved:
        host, port = reserved.getsockname()
        runtime = build(Settings(**known), plugins, address=(host, port))
        app, front = behind_workers(runtime.workers, create_app(runtime), runtime.run_folder, runtime.keys.front)
        url = f"http://{host}:{port}"
        door = bounded(runtime.settings.http_limits)
        async with serving(app, lifespan="on", listener=front, http=door), plain_client(url, timeout=30) as client:
            await until(lambda: runtime.engine.phase in (Phase.READY, Phase.FAILED))
            assert runtime.engine.phase is Phase.READY, runtime.registry.problem
            engine.requests.clear()
            yield House(runtime, engine, url, client, folder)


@pytest.fixture
async def pooled(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> AsyncIterator[House]:
    """A gateway with two workers."""
    async with running_pool(tmp_path, *engine_at) as running:
        yield running


def workers() -> list[psutil.Process]:
    """The workers that this process keeps."""
    return [child for child in psutil.Process().children() if runs(child, WORKER)]


@asynccontextmanager
async def everybody(house: House) -> AsyncIterator[list[httpx.AsyncClient]]:
    """A client with a connection of its own to each worker.

    The kernel chooses who gets a connection, so new ones are opened until there is one to everybody.
    """
    # One that was just killed may count as serving still; its successor is there once it is known to have ended.
    await until(lambda: house.runtime.workers.serving == WORKERS == len(workers()))
    clients: dict[int, httpx.AsyncClient] = {}
    spare: list[httpx.AsyncClient] = []
    try:
        while len(clients) < WORKERS:
            assert len(spare) < 200, "connections go to one worker only"
            client = plain_client(house.url, timeout=30)
            await client.get("/health/live")
            (pid,) = _answering(client)
            if pid in clients:
                spare.append(client)
            else:
                clients[pid] = client
        yield [clients[pid] for pid in sorted(clients)]
    finally:
        for client in [*clients.values(), *spare]:
            await client.aclose()


def _answering(client: httpx.AsyncClient) -> set[int]:
    """The worker at the other end of a client's only connection."""
    (connection,) = client._transport._pool.connections  # type: ignore[attr-defined]
    port = connection._connection._network_stream.get_extra_info("client_addr")[1]
    return {
        worker.pid for worker in workers()
        for each in worker.net_connections() if each.raddr and each.raddr.port == port
    }  # fmt: skip


async def ask(client: httpx.AsyncClient, key: str, **body: object) -> httpx.Response:
    """One chat completion over a client's own connection."""
    return await client.post("/v1/chat/completions", headers=bearer(key), json={**ASKED, **body})


async def opened(house: House) -> str:
    """Two releases, the first of them live; the key of a tenant that may ask."""
    await house.publish(NAME)
    await house.publish(NAME, TRIAGE, seed=1, live=False)
    return await house.tenant("clinic", "healthcare")
