"""The registry's database locked or gone, the disk full or read-only, the clock off: serving goes on, changes wait."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from tests.chaos.load import Load, Outcome, asking
from tests.chaos.postgres import Postgres, postgres
from tests.chaos.scenario import ADAPTER, Gateway, gateway, until
from tests.chaos.verdict import Row

_CLIENTS = 8
# Less than anything that is kept: a file that may not grow is a disk that is full.
_NO_ROOM = 1
_HOUR, _DAY = 3600, 86400
# How long the registry is away the first of several times.
_MINUTE = 60.0


@asynccontextmanager
async def _served(row: Row, town: Gateway) -> AsyncIterator[Load]:
    """Clients at work who must not notice anything, whatever becomes of the registry; what was done is in its log."""
    load = Load(lambda: town.url, town.key, await town.settle())
    async with asking(load, _CLIENTS):
        await load.steady(time.monotonic())
        yield load
        await load.steady(time.monotonic())
    row.add(load)
    row.check(load.count(Outcome.FAILED) == 0, "requests failed though the engine was well")
    _, audit = await town.api("GET", "/api/v1/audit")
    row.keep(audit["first_break"] is None, f"the log does not hold together: {audit}")


async def _moves(row: Row, town: Gateway, back_at: float, number: int) -> None:
    """The registry is back: a change is taken, and is there."""
    await until(lambda: _promoted(town, number), 60, lambda: "no change was taken though the registry is back")
    row.recovered(time.monotonic() - back_at)
    row.keep(await town.live() == number, "an acknowledged promotion is not there")


async def _promoted(town: Gateway, number: int) -> bool:
    status, _ = await town.promote(number)
    return status == 200


async def _refuses(row: Row, town: Gateway, says: str, number: int) -> None:
    """A change is refused in a sentence and has not happened."""
    status, said = await town.promote(number)
    row.check(status == 503 and says in str(said.get("detail")), f"promoting said {status} {said}")
    row.failed_cleanly += status == 503
    row.sent += 1


async def _away(row: Row, town: Gateway, says: str, seconds: float) -> None:
    """For so long, and three times at least, a change is refused."""
    until_then, refused = time.monotonic() + seconds, 0
    while refused < 3 or time.monotonic() < until_then:
        await _refuses(row, town, says, 2)
        refused += 1
        await asyncio.sleep(0.2)


async def locked(folder: Path, times: int) -> Row:
    """Somebody else holds SQLite's lock for longer than anybody waits for it."""
    row = Row("SQLite locked by somebody else", times)
    async with gateway(folder) as town, _served(row, town):
        for turn in range(times):
            with closing(sqlite3.connect(town.home / "postil.db", isolation_level=None)) as holder:
                holder.execute("BEGIN EXCLUSIVE")
                if turn or times == 1:
                    await _refuses(row, town, "locked", 2)
                else:
                    await _away(row, town, "locked", _MINUTE)
                holder.execute("ROLLBACK")
            back = time.monotonic()
            row.keep(await town.live() == 1, "a refused promotion has happened")
            await _moves(row, town, back, 2)
            await _moves(row, town, back, 1)
    return row


async def gone(folder: Path, times: int) -> Row:
    """PostgreSQL is stopped, and started again; another gateway hears of what was done since."""
    row = Row("PostgreSQL stopped and started", times)
    with postgres(folder) as server:
        shared = {"database_url": server.url, "artifacts": str(folder / "artifacts")}
        async with (
            gateway(folder / "one", **shared) as town,
            gateway(folder / "other", **shared) as other,
            _served(row, town),
        ):
            for turn in range(times):
                await _stopped(row, server, town, 0.0 if turn or times == 1 else _MINUTE)
                back = time.monotonic()
                await _moves(row, town, back, 2)
                await until(lambda: _answers(other, 2), 30, lambda: "the other gateway did not hear of it")
                row.recovered(time.monotonic() - back)
                await _moves(row, town, time.monotonic(), 1)
    return row


async def _stopped(row: Row, server: Postgres, town: Gateway, seconds: float) -> None:
    await asyncio.to_thread(server.stop)
    await _away(row, town, "does not answer", seconds)
    await asyncio.to_thread(server.start)


async def _answers(town: Gateway, number: int) -> bool:
    body = {"model": ADAPTER, "messages": [{"role": "user", "content": "who"}]}
    async with town.session.post(
        f"{town.url}/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {town.key}"}
    ) as response:
        return response.headers.get("x-postil-release") == f"{ADAPTER}@{number}"


async def full(folder: Path, times: int) -> Row:
    """No file of the gateway may grow: neither an adapter nor a line of the log can be kept."""
    row = Row("disk full", times)
    async with gateway(folder) as town, _served(row, town):
        process = psutil.Process(town.pid)
        for _ in range(times):
            free = process.rlimit(resource.RLIMIT_FSIZE)
            assert free is not None
            process.rlimit(resource.RLIMIT_FSIZE, (_NO_ROOM, free[1]))
            await _unpublished(row, town)
            await _refuses(row, town, "disk", 2)
            process.rlimit(resource.RLIMIT_FSIZE, free)
            back = time.monotonic()
            await town.publish()
            await _moves(row, town, back, 2)
            await _moves(row, town, back, 1)
    return row


async def read_only(folder: Path, times: int) -> Row:
    """The artifact folder may not be written; what is in it may be read and served."""
    row = Row("artifact folder read-only", times)
    async with gateway(folder) as town, _served(row, town):
        kept = [town.home / "artifacts" / name for name in ("sha256", "incoming")]
        for _ in range(times):
            for place in kept:
                place.chmod(0o555)
            await _unpublished(row, town)
            await _moves(row, town, time.monotonic(), 2)
            for place in kept:
                place.chmod(0o755)
            back = time.monotonic()
            await town.publish()
            await _moves(row, town, back, 1)
    return row


async def _unpublished(row: Row, town: Gateway) -> None:
    """Publishing is refused as what it is, and leaves nothing behind."""
    before = await _releases(town)
    row.sent += 1
    try:
        await town.publish()
        row.check(False, "published onto a disk that takes nothing")
    except aiohttp.ClientResponseError as error:
        row.check(error.status == 503, f"publishing said {error.status}")
        row.failed_cleanly += error.status == 503
    row.keep(await _releases(town) == before, "a refused publish has left a release")


async def _releases(town: Gateway) -> list[Any]:
    _, state = await town.api("GET", f"/api/v1/adapters/{ADAPTER}")
    return [release["number"] for release in state["releases"]]


async def clock(folder: Path, times: int) -> Row:
    """The time of day is an hour ahead, a day behind, and right again, while releases go live."""
    row = Row("clock jumps", times)
    async with gateway(folder) as town, _served(row, town):
        for _ in range(times):
            for off, number in ((_HOUR, 2), (-_DAY, 3), (0, 1)):
                (town.folder / "clock").write_text(str(off))
                await _moves(row, town, time.monotonic(), number)
                status, _ = await town.promote(number % 3 + 1)
                row.check(status == 200, "a promotion was refused while the clock was off")
                _, state = await town.api("POST", f"/api/v1/adapters/{ADAPTER}/rollback", {})
                row.check(state.get("live") == number, f"a rollback went to {state.get('live')}, not to {number}")
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
            _, live = await town.api("GET", f"/api/v1/live?at={now}")
            row.check([one["release"] for one in live["data"]] == [f"{ADAPTER}@1"], f"the log says that {live} is live")
    return row
