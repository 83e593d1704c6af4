"""What it costs that installed plugins run apart, and what a broken one costs others.

``python -m tests.benchmarks.isolation [ROUNDS]``.
"""

from __future__ import annotations

import asyncio
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import uvloop
from rich.console import Console
from rich.progress import track
from rich.table import Table

from postil.gateway.plugin_host.host import PluginHost
from postil.plugins import Completion, ReleaseRef, RequestContext
from postil.plugins.manager import PluginManager
from tests.fakes.adapters import write_adapter, write_base
from tests.support.paths import FAULTY_PLUGINS
from tests.support.servers import free_port, publish, running

FOLDER = FAULTY_PLUGINS
CALLS = 3000
SECONDS, PAUSE_SECONDS = 3.0, 2.0
MEASURED_EVERY, BESIDE_EVERY = 0.01, 0.025
ROWS = {
    "a good one": ("faulty", "pass"),
    "raises": ("faulty", "raise"),
    "returns rubbish": ("faulty", "return true"),
    "sys.exit": ("faulty", "exit"),
    "sleeps for ever": ("faulty", "sleep"),
    "computes for ever": ("faulty", "spin"),
    "keeps the interpreter": ("faulty", "keep the interpreter"),
    "blocks its loop": ("faulty-awaited", "sleep"),
    "os._exit": ("faulty", "end the process"),
}
GOOD = "system_prompt: Sort the message.\nvalidators: [{name: confidence}]"
BROKEN = (
    "validators: [{{name: {}, config: {{does: {}}}, deadline_ms: 200}}]\n"
    "fallback: [{{name: fixed_answer, config: {{content: held}}}}]"
)


async def round_trip(folder: Path) -> dict[str, float]:
    """Milliseconds of a call to a validator that does nothing; and what its process takes, in MiB and seconds."""
    plugin_host = PluginHost(PluginManager(entry_points=False, folder=FOLDER), folder)
    context = RequestContext(
        ReleaseRef("legal", "notes", 1), "firm", {"messages": [{"role": "user", "content": "x" * 200}]}
    )
    arguments, config = (context, Completion("y" * 200)), {"does": "pass"}
    found: dict[str, float] = {}
    began = time.perf_counter()
    await plugin_host.call("legal", "validator", "faulty", config, "judge", arguments, 20)
    found["first call, s"] = time.perf_counter() - began
    for name, row in (("faulty", "a function"), ("faulty-awaited", "a coroutine")):
        times = []
        for _ in range(CALLS):
            began = time.perf_counter()
            await plugin_host.call("legal", "validator", name, config, "judge", arguments, 5)
            times.append(1000 * (time.perf_counter() - began))
        times.sort()
        found |= {f"{row}, p50, ms": times[CALLS // 2], f"{row}, p99, ms": times[int(0.99 * CALLS)]}
    memory = psutil.Process(plugin_host.pid("legal")).memory_full_info()
    found |= {"resident, MiB": memory.rss / 2**20, "of its own, MiB": memory.uss / 2**20}
    await plugin_host.stop()
    return found


async def steady(session: aiohttp.ClientSession, request: dict[str, Any], every: float) -> list[float]:
    """Milliseconds of each request of a steady traffic, whether or not those before have been answered."""

    async def one() -> float:
        began = time.perf_counter()
        async with session.post(**request) as response:
            await response.read()
            response.raise_for_status()
        return 1000 * (time.perf_counter() - began)

    tasks = []
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        tasks.append(asyncio.create_task(one()))
        await asyncio.sleep(every)
    return await asyncio.gather(*tasks)


async def beside(url: str, key: str, rounds: int) -> dict[str, list[float]]:
    """The p99 of one domain beside the broken plugin of another, for all rows and rounds, interleaved."""
    found: dict[str, list[float]] = {row: [] for row in ROWS}

    def request(model: str) -> dict[str, Any]:
        body = {"model": model, "messages": [{"role": "user", "content": "my head hurts"}]}
        return {"url": f"{url}/v1/chat/completions", "json": body, "headers": {"Authorization": f"Bearer {key}"}}

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        for _ in track(range(rounds), description="measuring", transient=True):
            for number, row in enumerate(ROWS):
                measured, _ = await asyncio.gather(
                    steady(session, request("healthcare/triage"), MEASURED_EVERY),
                    steady(session, request(f"legal-{number}/notes"), BESIDE_EVERY),
                )
                found[row].append(sorted(measured)[int(0.99 * len(measured))])
                await asyncio.sleep(PAUSE_SECONDS)  # What is stuck is found and ended.
    return found


async def prepare(url: str, key: str, adapter: Path) -> None:
    """Publish and promote: the domain that is measured, and one for each row."""
    policies = {"healthcare/triage": GOOD}
    policies |= {f"legal-{number}/notes": BROKEN.format(*what) for number, what in enumerate(ROWS.values())}
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session:
        for name, policy in policies.items():
            await publish(url, key, name, adapter, policy)
            async with session.post(f"{url}/api/v1/adapters/{name}/promote", json={"release": 1}) as response:
                response.raise_for_status()


def show(alone: dict[str, float], p99s: dict[str, list[float]]) -> None:
    """Print both tables."""
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    table = Table("a call to a domain's process", "", title=machine)
    for row, value in alone.items():
        table.add_row(row, f"{value:.2f}")
    Console().print(table)
    table = Table("another domain's plugin", "p99 here, ms: median of the rounds", "least", "most")
    for row, values in p99s.items():
        table.add_row(row, *(f"{value:.1f}" for value in (statistics.median(values), min(values), max(values))))
    Console().print(table)


async def main(rounds: int = 5) -> dict[str, Any]:
    """Measure, show; returns the raw numbers."""
    engine, url = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        alone = await round_trip(folder)
        environment = {
            "POSTIL_HOME": str(folder / "home"),
            "POSTIL_BASE_MODEL": str(write_base(folder / "base")),
            "POSTIL_ENGINE_URL": engine,
            "POSTIL_PORT": url.rpartition(":")[2],
            "POSTIL_PLUGINS_DIR": str(FOLDER),
        }
        server = [sys.executable, "-m", "tests.fakes.engine_process", "--port", engine.rpartition(":")[2]]
        gateway = [str(Path(sys.executable).parent / "postil"), "serve"]
        async with running(server, f"{engine}/health"), running(gateway, f"{url}/health/ready", **environment):
            key = (folder / "home" / "admin.key").read_text().strip()
            await prepare(url, key, write_adapter(folder / "adapter"))
            p99s = await beside(url, key, rounds)
    show(alone, p99s)
    return {"alone": alone, "p99_ms": p99s}


if __name__ == "__main__":
    uvloop.run(main(*map(int, sys.argv[1:])))
