"""``postil serve --workers``: one command, and nothing of it is left when it ends, however it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psutil

from tests.fakes.adapters import write_base
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import bearer, until
from tests.support.plain_http import plain_client
from tests.support.servers import free_port

POSTIL = Path(sys.executable).with_name("postil")
BASE = {"model": "base", "messages": [{"role": "user", "content": "hello"}]}


@asynccontextmanager
async def served(folder: Path, engine_url: str, **environment: str) -> AsyncIterator[tuple[psutil.Popen, str, str]]:
    """A gateway with two workers as a process of its own, ready; its URL and its admin key."""
    port = free_port()
    known = {name: text for name, text in os.environ.items() if not name.startswith("POSTIL_")} | {
        "POSTIL_HOME": str(folder / "home"), "POSTIL_BASE_MODEL": str(write_base(folder / "base")),
        "POSTIL_ENGINE_URL": engine_url, "POSTIL_PORT": str(port), **environment,
    }  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    process = psutil.Popen([str(POSTIL), "serve", "--workers", "2"], env=known)
    try:
        async with asyncio.timeout(60), plain_client(url) as client:
            while not await _ready(client):  # noqa: ASYNC110 - nobody over there can set an event
                await asyncio.sleep(0.05)
        yield process, url, (folder / "home" / "admin.key").read_text().strip()
    finally:
        if process.is_running():
            process.kill()
        await asyncio.to_thread(process.wait)


async def _ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/health/ready")).status_code == 200
    except httpx.TransportError:
        return False


async def test_what_is_on_its_way_is_answered_before_a_gateway_with_workers_ends(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    engine, engine_url = engine_at
    async with served(tmp_path, engine_url, POSTIL_SHUTDOWN_DELAY_SECONDS="0.3") as (process, url, key):
        crew = process.children(recursive=True)
        engine.requests.clear()
        engine.gate.clear()
        async with plain_client(url, timeout=30) as client, plain_client(url) as other:
            asked = asyncio.create_task(client.post("/v1/chat/completions", headers=bearer(key), json=BASE))
            await until(lambda: len(engine.requests) == 1)
            process.terminate()
            async with asyncio.timeout(10):
                while (leaving := await other.get("/health/ready")).headers.get("connection") != "close":
                    pass
            assert leaving.status_code == 503
            assert leaving.json() == {"status": "draining"}
            engine.gate.set()
            assert (await asked).status_code == 200
        await asyncio.to_thread(process.wait)
        assert not [each for each in crew if each.is_running()]


async def test_no_worker_outlives_a_primary_that_was_killed(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> None:
    async with served(tmp_path, engine_at[1]) as (process, _, _):
        crew = [each for each in process.children() if "postil.gateway.server.workers.main" in " ".join(each.cmdline())]
        assert len(crew) == 2
        process.send_signal(signal.SIGKILL)
        await until(lambda: not any(each.is_running() for each in crew))


async def test_ctrl_c_is_for_the_primary_and_ends_all_of_it(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> None:
    async with served(tmp_path, engine_at[1]) as (process, _, _):
        crew = process.children(recursive=True)
        process.send_signal(signal.SIGINT)
        await asyncio.to_thread(process.wait)
        assert not [each for each in crew if each.is_running()]


async def test_a_port_that_is_taken_is_said_before_anything_starts(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with served(tmp_path, engine_at[1]) as (_, url, _):
        second = await asyncio.create_subprocess_exec(
            str(POSTIL),
            "serve",
            "--workers",
            "2",
            "--port",
            url.rpartition(":")[2],
            "--home",
            str(tmp_path / "other"),
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await second.communicate()
        assert second.returncode == 1
        assert b"cannot listen on 127.0.0.1:" in said
