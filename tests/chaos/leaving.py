"""Two gateways behind a balancer, ended and started again one after the other while clients ask."""

from __future__ import annotations

import asyncio
import itertools
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.chaos.load import Load, Outcome, asking
from tests.chaos.postgres import postgres
from tests.chaos.town import ADAPTER, Gateway, gateway
from tests.chaos.verdict import Row

_CLIENTS = 8
_LOOK_SECONDS = 0.2


class Balancer:
    """Sends to those in turn that said that they are ready when they were last asked, as balancers do."""

    def __init__(self, towns: Sequence[Gateway]) -> None:
        self._towns = towns
        self._ready = list(towns)
        self._turn = itertools.count()

    def pick(self) -> str:
        """Where the next request goes."""
        ready = self._ready or list(self._towns)
        return ready[next(self._turn) % len(ready)].url

    async def look(self) -> None:
        """Ask each now and then; until cancelled."""
        while True:
            answers = await asyncio.gather(*(town.ready() for town in self._towns))
            self._ready = [town for town, ready in zip(self._towns, answers, strict=True) if ready]
            await asyncio.sleep(_LOOK_SECONDS)


@asynccontextmanager
async def _balanced(towns: Sequence[Gateway]) -> AsyncIterator[Balancer]:
    balancer = Balancer(towns)
    looking = asyncio.create_task(balancer.look())
    try:
        yield balancer
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def rolling(folder: Path, times: int) -> Row:
    """No request fails, whether its gateway is being ended or not, and no process is left of the one that was."""
    row = Row("rolling restart of two gateways", times)
    with postgres(folder) as server:
        shared = {"database_url": server.url, "artifacts": str(folder / "artifacts")}
        async with (
            gateway(folder / "one", **shared) as one,
            gateway(folder / "two", key=one.key, **shared) as two,
            _balanced((one, two)) as balancer,
        ):
            load = Load(balancer.pick, one.key, await one.settle())
            async with asking(load, _CLIENTS):
                await load.steady(time.monotonic())
                for town in [one, two] * times:
                    struck = time.monotonic()
                    row.check(await town.stop() == -signal.SIGTERM, "a gateway did not end as it was told to")
                    await town.start()
                    await load.steady(time.monotonic())
                    row.recovered(load.recovered(struck))
            row.add(load)
    row.check(load.count(Outcome.FAILED) == 0, "requests failed in a rolling restart")
    return row


async def drained(folder: Path, times: int) -> Row:
    """Told to end with requests in flight: they are answered, new ones too for a while, and what lasts is cut."""
    row = Row("SIGTERM with requests in flight", times)
    async with gateway(folder, leave_seconds="0.5", drain_seconds="1") as town:
        await town.settle()
        for _ in range(times):
            await _ended(row, town)
            await town.start()
    return row


async def _ended(row: Row, town: Gateway) -> None:
    load = Load(lambda: town.url, town.key, await _marks(town))
    town.tell_engine("hang")
    async with asking(load, _CLIENTS):
        await _all_asked(town)
        load.ending = True
        began = time.monotonic()
        stopping = asyncio.create_task(town.stop())
        await stopping
        town.tell_engine("hang", None)
    row.recovered(time.monotonic() - began)
    row.add(load)
    row.check(load.count(Outcome.FAILED) == _CLIENTS, "what could not end was not told so")


async def _all_asked(town: Gateway) -> None:
    while True:
        _, status = await town.api("GET", "/api/status")
        if status["requests_in_flight"] == _CLIENTS:
            return
        await asyncio.sleep(0.02)


async def _marks(town: Gateway) -> dict[str, str]:
    _, state = await town.api("GET", f"/api/adapters/{ADAPTER}")
    return {row["release"]: "" for row in state["releases"]}
