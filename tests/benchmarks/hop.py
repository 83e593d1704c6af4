"""What a gateway's hop costs beside nothing, nginx and LiteLLM: ``python -m tests.benchmarks.hop [ROUNDS]``."""

from __future__ import annotations

import asyncio
import platform
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.benchmarks import load
from tests.benchmarks.load import GATEWAY_CORE, LOAD_CORE, Target
from tests.benchmarks.rivals import litellm, nginx
from tests.fakes.adapters import write_adapter, write_base
from tests.support.servers import free_port, publish, running

CONNECTIONS, STREAMS = 16, 16
PACE_SECONDS = 0.005
POLICIES = {
    "release": "{system_prompt: Answer shortly., defaults: {temperature: 0}, sampling: {max_tokens: 64}}",
    "labels": """
system_prompt: Sort the message.
defaults: {temperature: 0}
sampling: {max_tokens: 32}
output: {labels: [symptoms, appointment, billing]}
validators: [{name: labels}, {name: confidence}]
fallback: [{name: fixed_answer, config: {content: '{"category": "needs_review"}'}}]
""",
    "windows": "{validators: [{name: blocklist, on_fail: stop, config: {phrases: [poison]}}, "
    "{name: pii, on_fail: redact}]}",
}
PACES = {"whole": 0.0, "streams": PACE_SECONDS}
ROWS: Mapping[str, Sequence[str]] = {
    "whole": ("direct", "nginx", "base", "release", "labels", "LiteLLM"),
    "streams": ("direct", "nginx", "base", "release", "windows", "LiteLLM"),
}
Raw = dict[str, dict[str, dict[str, list[float]]]]


@dataclass(frozen=True)
class Extent:
    """How much is asked in each of the rounds: whole answers for so many seconds, and so many for each stream.

    ``alone`` are one after the other: where many are on their way, a first token waits for them, and not for the hop.
    """

    rounds: int = 5
    seconds: int = 2
    answers: int = 12
    alone: int = 6


FULL = Extent()


@asynccontextmanager
async def gateway(
    engine: str, folder: Path, *, pinned: str = GATEWAY_CORE, workers: int = 1
) -> AsyncIterator[tuple[str, str, int]]:
    """A gateway with the three releases live; gives its URL, a tenant's key, and its process."""
    url = f"http://127.0.0.1:{free_port()}"
    environment = {
        "POSTIL_HOME": str(folder / "home"),
        "POSTIL_BASE_MODEL": str(write_base(folder / "base")),
        "POSTIL_ENGINE_URL": engine,
        "POSTIL_PORT": url.rpartition(":")[2],
        "POSTIL_WORKERS": str(workers),
    }
    command = ["taskset", "-c", pinned, str(Path(sys.executable).parent / "postil"), "serve"]
    async with running(command, f"{url}/health/ready", **environment) as pid:
        key = (folder / "home" / "admin.key").read_text().strip()
        async with aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {key}"}) as admin:
            for name, policy in POLICIES.items():
                adapter = await asyncio.to_thread(write_adapter, folder / name)
                await publish(url, key, f"bench/{name}", adapter, policy)
                await _done(admin, "POST", f"/api/v1/adapters/bench/{name}/promote", {"release": 1})
            tenant = await _done(admin, "POST", "/api/v1/tenants", {"name": "bench", "domains": ["bench"]})
            # A new tenant has four requests at a time; as many are refused by no limit here.
            await _done(admin, "PUT", "/api/v1/tenants/bench/limits", {"concurrent": 4 * (CONNECTIONS + STREAMS)})
        yield url, tenant["key"], pid


async def _done(admin: aiohttp.ClientSession, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    async with admin.request(method, path, json=body) as response:
        response.raise_for_status()
        made: dict[str, Any] = await response.json()
        return made


@asynccontextmanager
async def targets(folder: Path, pace: float, rows: Sequence[str]) -> AsyncIterator[dict[str, Target]]:
    """What is asked, by its row, over one upstream of that pace. Only those rivals are started that are rows."""
    engine = f"http://127.0.0.1:{free_port()}"
    upstream = [sys.executable, "-m", "tests.benchmarks.upstream", engine.rpartition(":")[2], str(pace)]
    async with AsyncExitStack() as stack:
        pid = await stack.enter_async_context(running(["taskset", "-c", LOAD_CORE, *upstream], f"{engine}/health"))
        found = {"direct": Target(engine, "none", "base", pid)}
        for name, rival in (("nginx", nginx), ("LiteLLM", litellm)):
            if name in rows and (passing := await stack.enter_async_context(rival(engine, folder))) is not None:
                found[name] = passing
        url, key, pid = await stack.enter_async_context(gateway(engine, folder))
        found["base"] = Target(url, key, "base", pid)
        found |= {name: Target(url, key, f"bench/{name}", pid) for name in POLICIES}
        yield found


async def measure(extent: Extent, parts: Mapping[str, Sequence[str]] = ROWS) -> Raw:
    """All rounds of all rows of the parts, interleaved."""
    raw: Raw = {}
    with tempfile.TemporaryDirectory() as name, Progress(transient=True) as progress:
        shown = progress.add_task("a hop", total=extent.rounds * sum(map(len, parts.values())))
        for part, rows in parts.items():
            folder, of_part = Path(name) / part, raw.setdefault(part, {})
            folder.mkdir()
            async with targets(folder, PACES[part], rows) as found:
                for row in [*rows] * extent.rounds:
                    if row in found:
                        seen = await (_whole if part == "whole" else _streams)(found[row], folder, extent)
                        _keep(of_part.setdefault(row, {}), seen)
                    progress.advance(shown)
    return raw


async def _whole(target: Target, folder: Path, extent: Extent) -> dict[str, float]:
    one = await load.whole(target, folder, 1, extent.seconds)
    many = await load.whole(target, folder, CONNECTIONS, extent.seconds)
    return {name: (one if name in ("p50_ms", "p99_ms") else many)[name] for name in one}


async def _streams(target: Target, folder: Path, extent: Extent) -> dict[str, float]:
    many, alone = await load.streams(target, STREAMS, extent.answers), await load.streams(target, 1, extent.alone)
    return {"cpu_us": many["cpu_us"], "first_ms": alone["first_ms"]}


def _keep(row: dict[str, list[float]], seen: Mapping[str, float]) -> None:
    for name, value in seen.items():
        row.setdefault(name, []).append(value)


def medians(raw: Raw, part: str) -> dict[str, dict[str, float]]:
    """The median of each figure of each row."""
    return {row: {name: statistics.median(values) for name, values in one.items()} for row, one in raw[part].items()}


def show(raw: Raw) -> None:
    """Print both tables."""
    where = f"{psutil.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    table = Table(title=f"whole answers; {where}")
    for column in ("row", f"answers/s, {CONNECTIONS} connections", "CPU each", "p50, 1 connection", "added"):
        table.add_column(column, justify="left" if column == "row" else "right")
    whole, streams = medians(raw, "whole"), medians(raw, "streams")
    for row, one in whole.items():
        added = one["p50_ms"] - whole["direct"]["p50_ms"]
        table.add_row(row, f"{one['per_second']:,.0f}", _cost(row, one), f"{one['p50_ms']:.2f} ms", f"{added:.2f} ms")
    Console().print(table)
    table = Table(title=f"{STREAMS} streams, a token every {PACE_SECONDS * 1000:.0f} ms; the first token of one alone")
    for column in ("row", "CPU a token", "first token later by"):
        table.add_column(column, justify="left" if column == "row" else "right")
    for row, one in streams.items():
        table.add_row(row, _cost(row, one), f"{one['first_ms'] - streams['direct']['first_ms']:.2f} ms")
    Console().print(table)


def _cost(row: str, one: Mapping[str, float]) -> str:
    return "-" if row == "direct" else f"{one['cpu_us']:.0f} us"


async def main(extent: Extent = FULL) -> Raw:
    """Bring everything up, measure, show; returns the raw numbers."""
    load.wrk()
    raw = await measure(extent)
    show(raw)
    return raw


if __name__ == "__main__":
    asyncio.run(main(Extent(*(int(given) for given in sys.argv[1:]))))
