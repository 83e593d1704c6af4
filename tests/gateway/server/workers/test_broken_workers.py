"""A worker that dies, hears nothing, hangs or does not come up costs its own requests and nobody else's."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import httpx
import pytest

from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import House, bearer, until
from tests.gateway.server.workers.conftest import NAME, WORKERS, ask, everybody, opened, running_pool, workers


async def test_a_worker_that_is_killed_takes_nothing_with_it_and_is_replaced(pooled: House) -> None:
    key = await opened(pooled)
    pooled.engine.gate.clear()
    pooled.engine.requests.clear()
    async with everybody(pooled) as clients:
        asked = [asyncio.create_task(ask(client, key)) for client in clients]
        await until(lambda: pooled.runtime.scheduler.queue.running == WORKERS)
        before = {worker.pid for worker in workers()}
        os.kill(min(before), signal.SIGKILL)  # The first client's: they are in the order of their workers.
        with pytest.raises(httpx.TransportError):
            await asked[0]
        await until(lambda: pooled.runtime.scheduler.queue.running == 1)
        pooled.engine.gate.set()
        assert (await asked[1]).status_code == 200
    await until(lambda: min(before) not in {worker.pid for worker in workers()})
    async with everybody(pooled) as clients:
        assert {(await ask(client, key)).status_code for client in clients} == {200}


async def test_a_worker_that_hears_nothing_is_ended_so_that_a_move_is_in_force(pooled: House) -> None:
    key = await opened(pooled)
    deaf = workers()[0]
    deaf.suspend()
    # To the primary itself: the kernel might choose the one that is stopped.
    transport = httpx.AsyncHTTPTransport(uds=str(pooled.runtime.run_folder / "front.sock"))
    known = {"x-postil-front-key": pooled.runtime.keys.front}
    async with httpx.AsyncClient(transport=transport, base_url="http://postil", timeout=30, headers=known) as primary:
        moved = await primary.post(
            f"/api/v1/adapters/{NAME}/promote", headers=bearer(pooled.admin_key), json={"release": 2}
        )
    assert moved.status_code == 200
    await until(lambda: deaf.pid not in {worker.pid for worker in workers()})
    async with everybody(pooled) as clients:
        answers = [await ask(client, key) for client in clients]
    assert {answer.headers["x-postil-release"] for answer in answers} == {f"{NAME}@2"}


async def test_a_worker_that_hangs_is_ended_though_nothing_changes(pooled: House) -> None:
    key = await opened(pooled)
    stopped = workers()[0]
    stopped.suspend()
    await until(lambda: stopped.pid not in {worker.pid for worker in workers()})
    async with everybody(pooled) as clients:
        assert {(await ask(client, key)).status_code for client in clients} == {200}


async def test_a_change_does_not_wait_for_a_worker_that_still_starts(pooled: House) -> None:
    key = await opened(pooled)
    before = {worker.pid for worker in workers()}
    os.kill(min(before), signal.SIGKILL)
    await until(lambda: bool({worker.pid for worker in workers()} - before))
    (new,) = (worker for worker in workers() if worker.pid not in before)
    new.suspend()
    async with asyncio.timeout(4):  # Sooner than one would be ended for being deaf.
        moved = await pooled.admin("POST", f"/api/v1/adapters/{NAME}/promote", json={"release": 2})
    assert moved.status_code == 200
    new.resume()
    async with everybody(pooled) as clients:
        assert new.pid in {worker.pid for worker in workers()}
        answers = [await ask(client, key) for client in clients]
    assert {answer.headers["x-postil-release"] for answer in answers} == {f"{NAME}@2"}


async def test_workers_that_do_not_come_up_are_said_so(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    with pytest.raises(AssertionError, match="a worker ended before it took requests"):
        async with running_pool(tmp_path, *engine_at):
            pass
