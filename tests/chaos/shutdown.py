"""Two gateways behind a balancer, ended and started again one after the other while clients ask."""

from __future__ import annotations

import asyncio
import itertools
import signal
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.chaos.load import Load, Outcome, asking
from tests.chaos.postgres import postgres
from tests.chaos.scenario import Gateway, gateway, until
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
    return await _rolled(folder, Row("rolling restart of two gateways", times))


async def rolling_workers(folder: Path, times: int) -> Row:
    """The same where each of them has two workers."""
    return await _rolled(folder, Row("rolling restart, two workers each", times), workers="2")


async def _rolled(folder: Path, row: Row, **settings: str) -> Row:
    with postgres(folder) as server:
        shared = {"database_url": server.url, "artifacts": str(folder / "artifacts"), **settings}
        async with (
            gateway(folder / "one", **shared) as one,
            gateway(folder / "two", key=one.key, **shared) as two,
            _balanced((one, two)) as balancer,
        ):
            load = Load(balancer.pick, one.key, await one.settle())
            async with asking(load, _CLIENTS):
                await load.steady(time.monotonic())
                for town in [one, two] * row.times:
                    struck = time.monotonic()
                    row.check(await town.stop() == -signal.SIGTERM, "a gateway did not end as it was told to")
                    await town.start()
                    await load.steady(time.monotonic())
                    row.recovered(load.recovered(struck))
            row.add(load)
    row.check(load.count(Outcome.FAILED) == 0, "requests failed in a rolling restart")
    return row


async def drained(folder: Path, times: int) -> Row:
    """Told to end under load: who comes is answered for a while, and what lasts for too long is cut, and told so."""
    row = Row("SIGTERM with requests in flight", times)
    async with gateway(folder, shutdown_delay_seconds="3", drain_timeout_seconds="1") as town:
        marks = await town.settle()
        for _ in range(times):
            await _ended(row, town, marks)
            await town.start()
    return row


async def _ended(row: Row, town: Gateway, marks: Mapping[str, str]) -> None:
    load = Load(lambda: town.url, town.key, marks)
    async with asking(load, _CLIENTS):
        await load.steady(time.monotonic())
        began = time.monotonic()
        stopping = asyncio.create_task(town.stop())
        await until(lambda: _not_ready(town), 10, lambda: "it was told to end, and says that it is ready")
        before = len(load.seen)
        await until(lambda: _so_many(load, before + 4 * _CLIENTS), 10, lambda: "it answers nobody any more")
        row.check(load.count(Outcome.FAILED) == 0, f"requests failed while it was leaving: {load.seen[-1]}")
        # What is on its way now will not end by itself.
        load.ending = True
        town.tell_engine("hang")
        await stopping
        town.tell_engine("hang", None)
    row.recovered(time.monotonic() - began)
    row.add(load)
    cut = [seen.why for seen in load.seen if seen.outcome is Outcome.FAILED]
    row.check(0 < len(cut) <= _CLIENTS, f"{len(cut)} requests were told that they were cut")
    row.check(any("error" in why for why in cut), f"no stream ended with an error event: {cut}")


async def _not_ready(town: Gateway) -> bool:
    return not await town.ready()


async def _so_many(load: Load, wanted: int) -> bool:
    return len(load.seen) >= wanted
