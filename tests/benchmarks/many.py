"""A thousand adapters on one gateway: ``python -m tests.benchmarks.many [COUNT ...]``.

They are published and promoted one after the other, on a real gateway over the fake engine; at each count is measured
what a person or a client then does: publish another one, promote it, list the models, ask one.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.fakes.adapters import write_adapter, write_base
from tests.fakes.vllm import FakeVLLM, running_engine
from tests.support.servers import free_port, publish, running

COUNTS = [10, 100, 1000]
# So many adapters a domain: what one tenant lists does not grow with what others publish.
DOMAIN, ROUNDS = 10, 40
# The gateway reads up on what was done from the log, up to a second later.
SETTLE_SECONDS = 3.0
# Where there is a place in memory: what a disk takes to be sure of a write differs more than all the rest.
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
POLICY = "system_prompt: Answer shortly.\n"
Act = Callable[[int], Awaitable[None]]


@dataclass
class House:
    """A gateway with ``count`` live adapters, and the key of a tenant of the first domain."""

    url: str
    admin: str
    folder: Path
    engine: FakeVLLM
    session: aiohttp.ClientSession
    tenant: str = ""
    count: int = 0

    async def call(self, method: str, path: str, key: str, **body: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {key}"}
        async with self.session.request(method, self.url + path, headers=headers, json=body or None) as response:
            response.raise_for_status()
            found: dict[str, Any] = await response.json()
            return found

    async def publish(self, number: int) -> None:
        source = write_adapter(self.folder / f"source-{number}", seed=number)
        await publish(self.url, self.admin, name(number), source, POLICY)

    async def promote(self, number: int) -> None:
        await self.call("POST", f"/api/v1/adapters/{name(number)}/promote", self.admin, release=1)

    async def grow(self, count: int) -> None:
        """Publish and promote until there are so many."""
        for number in track(range(self.count, count), f"to {count} adapters"):
            await self.publish(number)
            await self.promote(number)
        self.count = count

    async def list_own(self, _: int) -> None:
        await self.call("GET", "/v1/models", self.tenant)

    async def list_all(self, _: int) -> None:
        await self.call("GET", "/v1/models", self.admin)

    async def look_one_up(self, _: int) -> None:
        await self.call("GET", f"/v1/models/{name(0)}", self.tenant)

    async def ask(self, number: int) -> None:
        messages = [{"role": "user", "content": "hello"}]
        await self.call("POST", "/v1/chat/completions", self.admin, model=name(number), messages=messages)

    async def ask_hot(self, _: int) -> None:
        await self.ask(0)

    async def ask_around(self, turn: int) -> None:
        """Ask one adapter after the other: where there are more than the engine holds, each is a cold one."""
        await self.ask(turn * 97 % self.count)


def name(number: int) -> str:
    """The name of an adapter."""
    return f"d{number // DOMAIN}/a{number % DOMAIN}"


async def milliseconds(act: Act, turns: range, gateway: psutil.Process) -> dict[str, Any]:
    """How long an act takes, each time, and how much of a processor the gateway needs for it."""
    taken, before = [], sum(gateway.cpu_times()[:2])
    for turn in turns:
        began = time.perf_counter()
        await act(turn)
        taken.append(1000 * (time.perf_counter() - began))
    return {"ms": taken, "cpu_ms": 1000 * (sum(gateway.cpu_times()[:2]) - before) / len(turns)}


async def measured(house: House, process: int, rounds: int, settle: float) -> dict[str, Any]:
    """Everything at this count; it grows by a few adapters by that."""
    gateway, fresh = psutil.Process(process), range(house.count, house.count + rounds)
    found: dict[str, Any] = {
        "publish": await milliseconds(house.publish, fresh, gateway),
        "promote": await milliseconds(house.promote, fresh, gateway),
    }
    acts = {
        "models of one tenant": house.list_own,
        "models, all": house.list_all,
        "one model": house.look_one_up,
        "ask, hot": house.ask_hot,
        "ask around": house.ask_around,
    }
    await asyncio.sleep(settle)
    for what, act in acts.items():
        await act(0)
        found[what] = await milliseconds(act, range(rounds), gateway)
    house.count += rounds
    found["gateway_mib"] = gateway.memory_info().rss / 2**20
    found["held_by_engine"] = len(house.engine.adapters)
    return found


async def registered(counts: list[int], rounds: int, settle: float) -> dict[str, Any]:
    """The first part: what grows with the number of adapters, and what does not."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as kept:
        folder, url = Path(kept), f"http://127.0.0.1:{free_port()}"
        async with running_engine() as (engine, engine_url), aiohttp.ClientSession() as session:
            environment = {
                "POSTIL_HOME": str(folder / "home"),
                "POSTIL_BASE_MODEL": str(write_base(folder / "base")),
                "POSTIL_ENGINE_URL": engine_url,
                "POSTIL_PORT": url.rpartition(":")[2],
                "POSTIL_TENANT_CONCURRENT_REQUESTS": "1000",
            }
            command = [str(Path(sys.executable).parent / "postil"), "serve"]
            raw: dict[str, Any] = {}
            async with running(command, f"{url}/health/ready", **environment) as gateway:
                admin = (folder / "home" / "admin.key").read_text().strip()
                house = House(url, admin, folder, engine, session)
                made = await house.call("POST", "/api/v1/tenants", admin, name="bench", domains=["d0"])
                house.tenant = made["key"]
                for count in counts:
                    await house.grow(count)
                    raw[str(count)] = await measured(house, gateway, rounds, settle)
            engine.adapters.clear()
            began = time.perf_counter()
            async with running(command, f"{url}/health/ready", **environment):
                raw["restart"] = {"ready_seconds": time.perf_counter() - began, "held_by_engine": len(engine.adapters)}
    show(raw)
    return raw


def show(raw: dict[str, Any]) -> None:
    """The table: medians, processor time of the gateway, and what the last count is beside the first."""
    counts = [count for count in raw if count != "restart"]
    table = Table("milliseconds (of CPU)", *counts, "growth (of CPU)", title="adapters registered")
    for what, first in raw[counts[0]].items():
        found = [raw[count][what] for count in counts]
        if not isinstance(first, dict):
            table.add_row(what, *(f"{value:.0f}" for value in found), f"{found[-1] / found[0]:.2f}")
            continue
        values, cpu = [statistics.median(each["ms"]) for each in found], [each["cpu_ms"] for each in found]
        cells = (f"{value:.1f} ({own:.1f})" for value, own in zip(values, cpu, strict=True))
        table.add_row(what, *cells, f"{values[-1] / values[0]:.2f} ({cpu[-1] / max(cpu[0], 0.1):.2f})")
    Console(width=110).print(table)
    restart = raw["restart"]
    print(f"restarted: ready after {restart['ready_seconds']:.1f} s, the engine holds {restart['held_by_engine']}")


def main(counts: list[int] | None = None, rounds: int = ROUNDS, settle: float = SETTLE_SECONDS) -> dict[str, Any]:
    """Measure and show the first part."""
    return asyncio.run(registered(counts or COUNTS, rounds, settle))


if __name__ == "__main__":
    main([int(given) for given in sys.argv[1:]])
