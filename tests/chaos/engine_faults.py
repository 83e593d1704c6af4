"""The engine killed, out of memory, hung, slow to start, dying again and again, and an adapter's file damaged."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from postil.registry.artifacts.local_store import folder_digest
from tests.chaos.load import Load, asking
from tests.chaos.scenario import ADAPTER, Gateway, gateway, until
from tests.chaos.verdict import Row

_CLIENTS = 8
Strike = Callable[[Gateway], Awaitable[None]]


async def killed(folder: Path, times: int) -> Row:
    """``kill -9`` of the engine, and of the process that guards it, in turn."""
    turn = iter(range(times))

    async def strike(town: Gateway) -> None:
        (town.guard() if next(turn) % 2 else town.engine()).send_signal(signal.SIGKILL)

    return await _each(folder, Row("engine killed", times), strike)


async def out_of_memory(folder: Path, times: int) -> Row:
    """Ended by the kernel, as it does where memory is short, while all that it does is stream."""

    async def strike(town: Gateway) -> None:
        town.engine().send_signal(signal.SIGKILL)

    return await _each(folder, Row("engine out of memory mid-stream", times), strike, streams=True)


async def hung(folder: Path, times: int) -> Row:
    """It says that it is well and answers nobody; the one that is started in its place does."""

    async def strike(town: Gateway) -> None:
        before = await town.restarts()
        town.tell_engine("hang")
        await until(lambda: _more(town, before), 120, lambda: "a hung engine was not started again")
        town.tell_engine("hang", None)

    return await _each(folder, Row("engine hung, health fine", times), strike, engine_stall_seconds="2")


async def slow(folder: Path, times: int) -> Row:
    """It dies, and the next takes its time to come up."""

    async def strike(town: Gateway) -> None:
        town.tell_engine("slow", "3")
        town.engine().send_signal(signal.SIGKILL)

    return await _each(folder, Row("engine killed, slow to start", times), strike)


async def crash_loop(folder: Path, times: int) -> Row:
    """It dies, and so do the next two."""

    async def strike(town: Gateway) -> None:
        town.tell_engine("dies", "2")
        town.engine().send_signal(signal.SIGKILL)

    return await _each(folder, Row("engine in a crash loop", times), strike)


async def _each(folder: Path, row: Row, strike: Strike, *, streams: bool | None = None, **settings: str) -> Row:
    """Strike so often, under load, each time when all is well again; every time the engine has to be another one."""
    async with gateway(folder, **settings) as town:
        load = Load(lambda: town.url, town.key, await town.settle())
        if streams is not None:
            load.streams = lambda number: streams
        async with asking(load, _CLIENTS):
            await load.steady(time.monotonic())
            for _ in range(row.times):
                await asyncio.sleep(random.uniform(0, 0.3))
                before, struck = await town.restarts(), time.monotonic()
                await strike(town)
                await until(lambda was=before: _more(town, was), 120, lambda: "it was not started again")  # type: ignore[misc]
                await town.until_ready()
                await load.steady(time.monotonic())
                row.recovered(load.recovered(struck))
        row.add(load)
        row.check(row.failed_cleanly > 0, "nobody noticed the fault: it was none")
    return row


async def _more(town: Gateway, than: int) -> bool:
    return await town.restarts() > than


async def damaged(folder: Path, times: int) -> Row:
    """A byte of the live release's file changes on the disk, and the engine has to load it anew."""
    row = Row("artifact damaged on disk", times)
    async with gateway(folder) as town:
        load = Load(lambda: town.url, town.key, await town.settle())
        async with asking(load, _CLIENTS):
            for _ in range(times):
                await load.steady(time.monotonic())
                status, said = await town.promote(3)
                row.check(status == 200, f"release 3 could not be made live: {said}")
                restore = _spoil(town, said)
                struck, before = time.monotonic(), await town.restarts()
                town.engine().send_signal(signal.SIGKILL)
                await until(lambda was=before: _more(town, was), 120, lambda: "it was not started again")  # type: ignore[misc]
                await until(lambda: _back(town), 120, lambda: "the last good release was not gone back to")
                await load.steady(time.monotonic())
                row.recovered(load.recovered(struck))
                status, refusal = await town.promote(3)
                row.check(status == 422 and "damaged" in refusal["detail"], f"promoting it said {status} {refusal}")
                restore()
        row.add(load)
        _, events = await town.api("GET", f"/api/v1/events?adapter={ADAPTER}&newest_first=true&limit=1000")
        why = [
            event["reason"] for event in events["data"] if event["action"] == "rollback" and event["actor"] == "postil"
        ]
        row.keep(len(why) == times and all("damaged" in reason for reason in why), f"the log says {why}")
    return row


async def _back(town: Gateway) -> bool:
    return await town.live() == 1


def _spoil(town: Gateway, state: dict[str, object]) -> Callable[[], None]:
    """Change a byte of release 3; returns what puts it right."""
    rows = state["releases"]
    assert isinstance(rows, list)
    digest = next(row["artifact"] for row in rows if row["number"] == 3)
    folder = town.home / "artifacts" / "sha256" / digest.removeprefix("sha256:")
    file = folder / "adapter_model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert folder_digest(folder) != digest

    def restore() -> None:
        file.write_bytes(whole)

    return restore
