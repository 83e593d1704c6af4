"""What a gateway's hop costs beside nothing, nginx and LiteLLM: ``python -m tests.benchmarks.hop [ROUNDS]``."""

from __future__ import annotations

import asyncio
import platform
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
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
from tests.benchmarks.servers import free_port, publish, running
from tests.fakes.adapters import write_adapter, write_base

ROUNDS = 5
SECONDS = 2
CONNECTIONS = 16
PACE_SECONDS = 0.005
STREAMS, ANSWERS = 16, 12
# One after the other: where many are on their way, a first token waits for the others', and not for the hop.
ALONE = 6
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
WHOLE = ("direct", "nginx", "base", "release", "labels", "LiteLLM")
STREAMED = ("direct", "nginx", "base", "release", "windows", "LiteLLM")
Raw = dict[str, dict[str, dict[str, list[float]]]]


@asynccontextmanager
async def gateway(
    engine: str, folder: Path, *, pinned: str = GATEWAY_CORE, workers: int = 1
) -> AsyncIterator[tuple[str, str, int]]:
    """A gateway with the three releases live; gives its URL, a tenant's key, and its process."""
    url = f"http://127.0.0.1:{free_port()}"
    environment = {
        "POSTIL_HOME": str(folder / "home"), "POSTIL_BASE_MODEL": str(write_base(folder / "base")),
        "POSTIL_ENGINE_URL": engine, "POSTIL_PORT": url.rpartition(":")[2],
        "POSTIL_WORKERS": str(workers),
    }
    command = ["taskset", "-c", pinned, str(Path(sys.executable).parent / "postil"), "serve"]
    async with running(command, f"{url}/health/ready", **environment) as pid:
        key = (folder / "home" / "admin.key").read_text().strip()
        async with aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {key}"}) as admin:
            for name, policy in POLICIES.items():
                adapter = await asyncio.to_thread(write_adapter, folder / name)
                await publish(url, key, f"bench/{name}", adapter, policy)
                await _done(admin, f"/api/adapters/bench/{name}/promote", {"release": 1})
            tenant = await _done(admin, "/api/tenants", {"name": "bench", "domains": ["bench"]})
        yield url, tenant["key"], pid


async def _done(admin: aiohttp.ClientSession, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    async with admin.post(path, json=body) as response:
        response.raise_for_status()
        made: dict[str, Any] = await response.json()
        return made


@asynccontextmanager
async def targets(folder: Path, pace: float) -> AsyncIterator[dict[str, Target]]:
    """Everything that is asked, by its row, over one upstream of that pace."""
    engine = f"http://127.0.0.1:{free_port()}"
    upstream = [sys.executable, "-m", "tests.benchmarks.upstream", engine.rpartition(":")[2], str(pace)]
    async with AsyncExitStack() as stack:
        pid = await stack.enter_async_context(running(["taskset", "-c", LOAD_CORE, *upstream], f"{engine}/health"))
        found = {"direct": Target(engine, "none", "base", pid)}
        if (passing := await stack.enter_async_context(nginx(engine, folder))) is not None:
            found["nginx"] = passing
        url, key, pid = await stack.enter_async_context(gateway(engine, folder))
        found["base"] = Target(url, key, "base", pid)
        found |= {name: Target(url, key, f"bench/{name}", pid) for name in POLICIES}
        if (rival := await stack.enter_async_context(litellm(engine, folder))) is not None:
            found["LiteLLM"] = rival
        yield found


async def measure(rounds: int) -> Raw:
    """All rounds of all rows, interleaved."""
    raw: Raw = {"whole": {}, "streams": {}}
    with tempfile.TemporaryDirectory() as name, Progress(transient=True) as progress:
        shown = progress.add_task("a hop", total=rounds * (len(WHOLE) + len(STREAMED)))
        for part, pace, rows in (("whole", 0.0, WHOLE), ("streams", PACE_SECONDS, STREAMED)):
            folder = Path(name) / part
            folder.mkdir()
            async with targets(folder, pace) as found:
                for _ in range(rounds):
                    for row in rows:
                        if row in found:
                            seen = await (_whole if part == "whole" else _streams)(found[row], folder)
                            _keep(raw[part].setdefault(row, {}), seen)
                        progress.advance(shown)
    return raw


async def _whole(target: Target, folder: Path) -> dict[str, float]:
    one = await load.whole(target, folder, 1, SECONDS)
    many = await load.whole(target, folder, CONNECTIONS, SECONDS)
    return {name: (one if name in ("p50_ms", "p99_ms") else many)[name] for name in one}


async def _streams(target: Target, folder: Path) -> dict[str, float]:
    many, alone = await load.streams(target, STREAMS, ANSWERS), await load.streams(target, 1, ALONE)
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


async def main(rounds: int = ROUNDS) -> Raw:
    """Bring everything up, measure, show; returns the raw numbers."""
    load.wrk()
    raw = await measure(rounds)
    show(raw)
    return raw


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS))
