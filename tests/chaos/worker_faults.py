"""A worker killed, and one that hangs, while the others answer."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from functools import partial
from pathlib import Path

import aiohttp

from tests.chaos.load import Load, Outcome, asking
from tests.chaos.scenario import Gateway, gateway, until
from tests.chaos.verdict import Row

_CLIENTS = 8
_WORKERS = 3
# In which one that hangs is found, ended and replaced.
_REPLACED_SECONDS = 40


async def killed(folder: Path, times: int) -> Row:
    """``kill -9``: who was connected to it sees that, and nobody else anything."""
    return await _each(folder, Row("worker killed", times), signal.SIGKILL)


async def hung(folder: Path, times: int) -> Row:
    """Stopped, so that it holds its connections and answers none; nothing changes that it would have to hear of."""
    return await _each(folder, Row("worker hung", times), signal.SIGSTOP)


async def _each(folder: Path, row: Row, strike: signal.Signals) -> Row:
    """Strike one so often, under load, each time when all is well again."""
    async with gateway(folder, workers=str(_WORKERS)) as town:
        load = Load(lambda: town.url, town.key, await town.settle(), breaks=True)
        async with asking(load, _CLIENTS):
            await load.steady(time.monotonic())
            for _ in range(row.times):
                await asyncio.sleep(random.uniform(0, 0.3))
                struck = random.choice(town.workers())
                began = time.monotonic()
                struck.send_signal(strike)
                await until(partial(_replaced, town, struck.pid), _REPLACED_SECONDS, lambda: "it was not replaced")
                await load.steady(time.monotonic())
                row.recovered(load.recovered(began))
        row.add(load)
        row.check(await town.restarts() == 0, "the engine was started again for a worker's sake")
    # One request of each client at a time: more would be some that others were asked.
    row.check(load.count(Outcome.FAILED) <= _CLIENTS * row.times, "requests failed that it had not been asked")
    return row


async def _replaced(town: Gateway, pid: int) -> bool:
    pids = [worker.pid for worker in town.workers()]
    try:
        _, status = await town.api("GET", "/api/v1/status")
    except aiohttp.ClientError:  # It was the one that was asked.
        return False
    return pid not in pids and int(status["workers_serving"]) == _WORKERS
