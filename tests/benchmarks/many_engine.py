"""More adapters in use than the engine has slots: ``python -m tests.benchmarks.many_engine [REQUESTS]``.

One real vLLM with four slots, asked through a gateway and, for comparison, directly: the same adapters, prompts and
order, the two in turns because machines drift. Clients ask one after the other; what counts is the time to the first
token.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.progress import track
from rich.table import Table

from postil.gateway.inference.routing.release import engine_name
from tests.benchmarks.lora_engine import write_adapter
from tests.support.servers import free_port, prepared, promote, publish, running, vllm

SLOTS, CLIENTS, ROUNDS, TOKENS = 4, 8, 2, 8
IN_USE = [4, 8, 16]
PATTERNS = ["round robin", "Zipf"]
# How many the gateway keeps in the engine when cold ones are to be measured.
FEW = 8
Write = Callable[[Path, int], Path]


@dataclass
class Way:
    """Where to ask, and what the adapters are called there."""

    url: str
    key: str
    names: list[str]

    async def first_token(self, session: aiohttp.ClientSession, adapter: int, text: str) -> float:
        """Seconds to the first token of an answer, which is read to its end."""
        body = {
            "model": self.names[adapter],
            "stream": True,
            "max_tokens": TOKENS,
            "temperature": 0,
            "ignore_eos": True,
            "messages": [{"role": "user", "content": text}],
        }
        began, first = time.perf_counter(), 0.0
        url, headers = f"{self.url}/v1/chat/completions", {"Authorization": f"Bearer {self.key}"}
        async with session.post(url, json=body, headers=headers) as response:
            response.raise_for_status()
            async for line in response.content:
                # The first event tells the role only.
                if not first and line.startswith(b"data:") and b'"content":"' in line and b'"content":""' not in line:
                    first = time.perf_counter() - began
        return first or time.perf_counter() - began


def order(pattern: str, adapters: int, requests: int) -> list[int]:
    """Which adapter each request is for."""
    if pattern == "round robin":
        return [number % adapters for number in range(requests)]
    weights = [1 / rank for rank in range(1, adapters + 1)]
    return random.Random(0).choices(range(adapters), weights, k=requests)


async def loaded(way: Way, asked: list[int]) -> list[float]:
    """Seconds to the first token of every request, with all clients at work."""
    left, found = iter(enumerate(asked)), list[float]()

    async def client(session: aiohttp.ClientSession) -> None:
        for number, adapter in left:
            found.append(await way.first_token(session, adapter, f"Question {number}: what is a lattice?"))

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(client(session) for _ in range(CLIENTS)))
    return found


async def cold_and_warm(way: Way) -> dict[str, list[float]]:
    """Seconds to the first token of an adapter that was unloaded since it was asked, and at once again."""
    found: dict[str, list[float]] = {"cold": [], "warm": []}
    async with aiohttp.ClientSession() as session:
        for adapter in [*range(IN_USE[-1])] * 2:  # In the first turn the engine has some of them still.
            for state in ("cold", "warm"):
                found[state].append(await way.first_token(session, adapter, f"Say {random.random()}"))
    return {state: values[IN_USE[-1] :] for state, values in found.items()}


@asynccontextmanager
async def gateway(
    home: Path, engine_url: str, held: int, *, slots: int = SLOTS, adapters: int = IN_USE[-1], **more: str
) -> AsyncIterator[Way]:
    """A gateway that keeps so many adapters in the engine; ``more`` is of its environment."""
    url = f"http://127.0.0.1:{free_port()}"
    environment = more | {
        "POSTIL_HOME": str(home),
        "POSTIL_ENGINE_URL": engine_url,
        "POSTIL_PORT": url.rpartition(":")[2],
        "POSTIL_MAX_LORAS": str(slots),
        "POSTIL_MAX_CPU_LORAS": str(held),
        "POSTIL_AUTO_ROLLBACK": "false",
    }
    serve = [str(Path(sys.executable).parent / "postil"), "serve"]
    async with running(serve, f"{url}/health/ready", 600, **environment):
        key = (home / "admin.key").read_text().strip()
        yield Way(url, key, [f"bench/a{number}" for number in range(adapters)])


async def publish_all(way: Way, folder: Path, write: Write = write_adapter) -> list[str]:
    """Write, publish and promote all adapters; returns what they are called in the engine."""
    names = []
    for number, name in enumerate(track(way.names, f"publishing {len(way.names)} adapters", transient=True)):
        source = write(folder / name, number)
        made = await publish(way.url, way.key, name, source, "defaults: {}\n")
        names.append(engine_name(made["artifact"]))
        await promote(way.url, way.key, name)
        shutil.rmtree(source)
    return names


async def under_load(ways: dict[str, Way], requests: int) -> dict[str, Any]:
    """Seconds to the first token of every request: by pattern, adapters in use, and way."""
    found: dict[str, Any] = {}
    for pattern in PATTERNS:
        for adapters in IN_USE:
            row: dict[str, list[float]] = {way: [] for way in ways}
            for turn in range(ROUNDS + 1):
                for name, way in ways.items():
                    seconds = await loaded(way, order(pattern, adapters, requests if turn else 2 * adapters))
                    row[name] += seconds if turn else []  # The first turn warms up.
            found[f"{pattern}, {adapters} adapters"] = row
            print(pattern, adapters, {name: f"{worst(values):.2f}" for name, values in row.items()}, file=sys.stderr)
    return found


def worst(seconds: list[float]) -> float:
    """The 99th percentile."""
    return statistics.quantiles(seconds, n=100, method="inclusive")[98]


def show(raw: dict[str, Any]) -> None:
    """The tables."""
    title = f"time to first token, {SLOTS} slots, {CLIENTS} clients"
    table = Table("in use", "way", "p50, s", "p99, s", "p99 to fitting", title=title)
    for row, ways in raw["load"].items():
        fitting = raw["load"][f"{row.partition(',')[0]}, {SLOTS} adapters"]
        for name, seconds in ways.items():
            share = worst(seconds) / worst(fitting[name])
            table.add_row(row, name, f"{statistics.median(seconds):.2f}", f"{worst(seconds):.2f}", f"{share:.2f}")
    Console(width=110).print(table)
    cold, warm = (statistics.median(raw["cold"][state]) for state in ("cold", "warm"))
    print(f"first token of a cold adapter: {1000 * cold:.0f} ms, of a warm one {1000 * warm:.0f} ms (medians)")


async def measured(requests: int) -> dict[str, Any]:
    """Both parts, on one engine."""
    with tempfile.TemporaryDirectory() as kept:
        folder = Path(kept)
        home = folder / "home"
        model = await asyncio.to_thread(prepared, home)
        async with vllm(model, max_loras=SLOTS, max_cpu_loras=2 * IN_USE[-1], max_model_len=512) as url:
            async with gateway(home, url, 2 * IN_USE[-1]) as way:
                direct = Way(url, "none", await publish_all(way, folder))
                load = await under_load({"postil": way, "vLLM alone": direct}, requests)
            async with gateway(home, url, FEW) as way:
                cold = await cold_and_warm(way)
    return {"slots": SLOTS, "clients": CLIENTS, "load": load, "cold": cold}


def main(requests: int = 40) -> dict[str, Any]:
    """Measure and show."""
    raw: dict[str, Any] = asyncio.run(measured(requests))
    show(raw)
    return raw


if __name__ == "__main__":
    main(*(int(given) for given in sys.argv[1:]))
