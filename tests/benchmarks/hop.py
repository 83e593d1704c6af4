"""What a gateway's hop costs: ``python -m tests.benchmarks.hop``."""

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
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.benchmarks.servers import free_port, publish, running
from tests.fakes.adapters import write_adapter, write_base

ROUNDS = 5
SEQUENTIAL = 200
CONNECTIONS = 16
AT_ONCE = 800
POLICY = """
system_prompt: Sort the message.
defaults: {temperature: 0}
sampling: {max_tokens: 32}
output: {labels: [symptoms, appointment, billing]}
validators: [{name: labels}, {name: confidence}]
fallback: [{name: fixed_answer, config: {content: '{"category": "needs_review"}'}}]
"""
ADAPTER = "bench/labels"


async def one_after_another(session: aiohttp.ClientSession, request: dict[str, Any], count: int) -> list[float]:
    """Seconds of each of ``count`` requests."""
    seconds = []
    for _ in range(count):
        began = time.perf_counter()
        async with session.post(**request) as response:
            await response.read()
            response.raise_for_status()
        seconds.append(time.perf_counter() - began)
    return seconds


async def per_second(session: aiohttp.ClientSession, request: dict[str, Any]) -> float:
    """Requests a second with CONNECTIONS at a time."""
    began = time.perf_counter()
    each = AT_ONCE // CONNECTIONS
    await asyncio.gather(*(one_after_another(session, request, each) for _ in range(CONNECTIONS)))
    return each * CONNECTIONS / (time.perf_counter() - began)


async def prepare(url: str, key: str, adapter: Path) -> None:
    """Publish and promote one small adapter."""
    await publish(url, key, ADAPTER, adapter, POLICY)
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{url}/api/adapters/{ADAPTER}/promote", json={"release": 1}) as response,
    ):
        response.raise_for_status()


async def measure(requests: dict[str, dict[str, Any]]) -> dict[str, dict[str, list[float]]]:
    """All rounds of all rows, interleaved."""
    found: dict[str, dict[str, list[float]]] = {row: {"p50_ms": [], "per_second": []} for row in requests}
    async with aiohttp.ClientSession() as session:
        for _ in track(range(ROUNDS), description="measuring", transient=True):
            for row, request in requests.items():
                seconds = await one_after_another(session, request, SEQUENTIAL)
                found[row]["p50_ms"].append(1000 * statistics.median(seconds))
                found[row]["per_second"].append(await per_second(session, request))
    return found


def show(found: dict[str, dict[str, list[float]]]) -> None:
    """Print the table and keep the raw numbers."""
    table = Table(title=f"one hop; {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}")
    for column in ("row", "p50, 1 connection", "added", f"requests/s, {CONNECTIONS} connections", "of direct"):
        table.add_column(column, justify="left" if column == "row" else "right")
    medians = {row: {name: statistics.median(values) for name, values in one.items()} for row, one in found.items()}
    direct = medians["direct"]
    for row, one in medians.items():
        added = one["p50_ms"] - direct["p50_ms"]
        share = one["per_second"] / direct["per_second"]
        table.add_row(row, f"{one['p50_ms']:.2f} ms", f"{added:.2f} ms", f"{one['per_second']:.0f}", f"{share:.2f}")
    Console().print(table)


async def main() -> dict[str, Any]:
    """Bring up an engine and a gateway, measure, show; returns the raw numbers."""
    engine, url = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {
            "POSTIL_HOME": str(folder / "home"), "POSTIL_BASE_MODEL": str(write_base(folder / "base")),
            "POSTIL_ENGINE_URL": engine, "POSTIL_PORT": url.rpartition(":")[2],
        }
        postil = str(Path(sys.executable).parent / "postil")
        server = [sys.executable, "-m", "tests.fakes.engine_process", "--port", engine.rpartition(":")[2]]
        gateway = [postil, "serve"]
        async with running(server, f"{engine}/health"), running(gateway, f"{url}/health/ready", **environment):
            key = (folder / "home" / "admin.key").read_text().strip()
            await prepare(url, key, write_adapter(folder / "adapter"))
            body = {"messages": [{"role": "user", "content": "my head hurts"}]}
            headers, path = {"Authorization": f"Bearer {key}"}, "/v1/chat/completions"
            found = await measure({
                "direct": {"url": engine + path, "json": {**body, "model": "base"}},
                "base": {"url": url + path, "json": {**body, "model": "base"}, "headers": headers},
                "release": {"url": url + path, "json": {**body, "model": ADAPTER}, "headers": headers},
            })
            show(found)
            return found


if __name__ == "__main__":
    asyncio.run(main())
