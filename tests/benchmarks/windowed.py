"""What it costs to stream behind windows, and the law of windows for a million cases.

``python -m tests.benchmarks.windowed [CASES]``. The three validators run in the gateway, as built-in ones do; the last
rows' are the built-in ones for phrases and personal data.
"""

from __future__ import annotations

import asyncio
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import psutil
import uvicorn
from rich.console import Console
from rich.progress import track
from rich.table import Table

from postil.gateway.inference.formats import Kind
from postil.gateway.inference.shadow import texts_of
from postil.gateway.inference.streaming.guarded import streamed
from postil.gateway.server.app import create_app
from postil.gateway.server.bootstrap import build
from postil.gateway.server.http_protocol import bounded
from postil.gateway.settings import Settings
from postil.plugins import Completion, RequestContext, Span, Validator, Verdict, hookimpl, window
from postil.plugins.manager import PluginManager
from tests.fakes.adapters import write_adapter, write_base
from tests.fakes.sse import engine_stream
from tests.fakes.windows import Cases, ban, rule_for
from tests.fakes.windows_law import check
from tests.fakes.windows_path import FindingValidator, Way
from tests.support.servers import free_port, publish, running

CASES = 1_000_000
ROUNDS, SEQUENTIAL, STREAMS, ANSWERS = 7, 100, 16, 5
WORDS, PACE_SECONDS = 16, 0.005
WINDOWS = {"near": 16, "far": 32, "farther": 64}
THREE = "".join(f"\n  - {{name: {name}, on_fail: redact}}" for name in WINDOWS)
BUILT_IN = "{name: blocklist, on_fail: stop, config: {phrases: [poison, secret]}}, {name: pii, on_fail: redact}"
POLICIES = {"none": "{}", "three": f"validators:{THREE}", "blocklist, pii": f"validators: [{BUILT_IN}]"}
MESSAGES = [{"role": "user", "content": "go"}]


class Near(Validator):
    """Forbids a phrase, with a window of some size."""

    name = "near"
    scope = window(WINDOWS["near"])

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        """Fail with the place."""
        at = completion.text.find("forbidden")
        return Verdict.passed() if at < 0 else Verdict.failed("forbidden", [Span(at, at + 9)])


class Far(Near):
    """The same, wider."""

    name = "far"
    scope = window(WINDOWS["far"])


class Farther(Near):
    """The same, wider still."""

    name = "farther"
    scope = window(WINDOWS["farther"])


class Plugin(SimpleNamespace):
    """What the gateway of this benchmark has installed."""

    @hookimpl
    def postil_validators(self) -> list[type[Validator]]:
        return [Near, Far, Farther]


def serve() -> None:
    """Be the gateway, as ``postil serve`` is one, with the plugin."""
    settings = Settings()
    app = create_app(build(settings, PluginManager([Plugin()], entry_points=False)))
    http = bounded(settings.http_limits)
    uvicorn.run(app, port=settings.port, http=http, log_level="critical", lifespan="on", ws="none", loop="uvloop")


def lawful(part: tuple[int, int]) -> int:
    """Check so many cases from a seed."""
    seed, wanted = part
    cases, done = Cases(seed), 0
    while done < wanted:
        done += check(cases.draw())
    return done


def law(wanted: int) -> dict[str, float]:
    """Check the law, on every core."""
    parts = [(1000 + seed, wanted // 100) for seed in range(100)]
    began, done = time.perf_counter(), 0
    with ProcessPoolExecutor() as pool:
        for count in track(pool.map(lawful, parts), description="the law", total=len(parts), transient=True):
            done += count
    found = {"cases": float(done), "seconds": time.perf_counter() - began}
    Console().print(f"the law of windows held in {done:,} cases, {found['seconds']:.0f} s")
    return found


async def held_back() -> dict[str, int]:
    """The most characters that are held back after a read of an answer that comes by characters."""
    text, came, left, most = "and so on " * 50, 0, 0, 0
    finders = [ban(name, ["forbidden"], wider=size - len("forbidden")) for name, size in WINDOWS.items()]
    way = Way([(rule_for(at, one, "redact").use, FindingValidator(one)) for at, one in enumerate(finders)])

    async def reads() -> AsyncIterator[bytes]:
        nonlocal came, most
        for event in engine_stream((0, character) for character in text):
            most = max(most, came - left)
            came += sum(map(len, texts_of(Kind.CHAT, event)))
            yield event

    async for write in streamed(way.answering, way.record, reads(), way.cancel):
        left += sum(map(len, texts_of(Kind.CHAT, write)))
    assert came == left == len(text)
    return {"held": most, "window": max(WINDOWS.values())}


async def seconds_of(session: aiohttp.ClientSession, request: dict[str, Any]) -> float:
    """How long an answer takes."""
    began = time.perf_counter()
    async with session.post(**request) as response:
        body = await response.read()
    seconds = time.perf_counter() - began
    assert response.status == 200, body
    assert not request["json"]["stream"] or body.endswith(b"data: [DONE]\n\n"), body
    return seconds


async def latency(requests: dict[str, dict[str, Any]], rounds: int, sequential: int) -> dict[str, list[float]]:
    """Milliseconds of a short answer, one after another: the median of each round, the rounds interleaved."""
    found: dict[str, list[float]] = {row: [] for row in requests}
    async with aiohttp.ClientSession() as session:
        for _ in track(range(rounds), description="latency", transient=True):
            for row, request in requests.items():
                seconds = [await seconds_of(session, request) for _ in range(sequential)]
                found[row].append(1000 * statistics.median(seconds))
    return found


async def processor(requests: dict[str, dict[str, Any]], pid: int, rounds: int) -> dict[str, list[float]]:
    """Microseconds of the gateway's processor time for a token, with STREAMS streams at a time."""
    process, found = psutil.Process(pid), {row: list[float]() for row in requests}
    async with aiohttp.ClientSession() as session:
        for _ in track(range(rounds), description="processor", transient=True):
            for row, request in requests.items():
                before = process.cpu_times()
                await asyncio.gather(*(one_by_one(session, request) for _ in range(STREAMS)))
                after = process.cpu_times()
                spent = after.user + after.system - before.user - before.system
                found[row].append(1e6 * spent / (STREAMS * ANSWERS * (WORDS + 2)))
    return found


async def one_by_one(session: aiohttp.ClientSession, request: dict[str, Any]) -> None:
    """Some answers."""
    for _ in range(ANSWERS):
        await seconds_of(session, request)


@asynccontextmanager
async def gateway(pace: float) -> AsyncIterator[tuple[int, dict[str, dict[str, Any]]]]:
    """A gateway over an engine of that pace: its process, and a request for each row."""
    engine, url = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {
            "POSTIL_HOME": str(folder / "home"),
            "POSTIL_BASE_MODEL": str(write_base(folder / "base")),
            "POSTIL_ENGINE_URL": engine,
            "POSTIL_PORT": url.rpartition(":")[2],
        }
        port = engine.rpartition(":")[2]
        echo = [sys.executable, "-m", "tests.benchmarks.echo", port, str(pace), str(WORDS)]
        itself = [sys.executable, "-m", "tests.benchmarks.windowed", "serve"]
        async with running(echo, f"{engine}/health"), running(itself, f"{url}/health/ready", **environment) as pid:
            key = (folder / "home" / "admin.key").read_text().strip()
            yield (
                pid,
                {
                    f"{row}, {'streamed' if streams else 'whole'}": {
                        "url": f"{url}/v1/chat/completions",
                        "headers": {"Authorization": f"Bearer {key}"},
                        "json": {"model": f"bench/row{at}@1", "stream": streams, "messages": MESSAGES},
                    }
                    for at, (row, policy) in enumerate(POLICIES.items())
                    if await publish(
                        url, key, f"bench/row{at}", write_adapter(folder / f"adapter{at}", seed=at), policy
                    )
                    for streams in (True, False)
                },
            )


def show(found: dict[str, dict[str, list[float]]], held: dict[str, int]) -> None:
    """Print the table."""
    title = f"{WORDS + 2} tokens; {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    table = Table(title=title)
    for column in ("validators", "p50", "added", "processor, a token", "added "):
        table.add_column(column, justify="left" if column == "validators" else "right")
    medians = {kind: {row: statistics.median(values) for row, values in rows.items()} for kind, rows in found.items()}
    for row, milliseconds in medians["ms"].items():
        none = "none, " + row.rpartition(", ")[2]
        cells = [f"{milliseconds:.2f} ms", f"{milliseconds - medians['ms'][none]:.2f} ms"]
        if row in medians["us"]:
            cells += [f"{medians['us'][row]:.0f} us", f"{medians['us'][row] - medians['us'][none]:.0f} us"]
        table.add_row(row, *cells)
    Console().print(table)
    Console().print(
        f"of an answer that comes by characters at most {held['held']} are held back; the largest window"
        f" is {held['window']}"
    )


async def main(rounds: int = ROUNDS, sequential: int = SEQUENTIAL) -> dict[str, Any]:
    """What windows cost; returns the raw numbers."""
    held = await held_back()
    async with gateway(0) as (_, requests):
        found = {"ms": await latency(requests, rounds, sequential)}
    async with gateway(PACE_SECONDS) as (pid, requests):
        streams = {row: one for row, one in requests.items() if one["json"]["stream"]}
        found["us"] = await processor(streams, pid, rounds)
    show(found, held)
    return {**found, **held}


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    else:
        law(int(sys.argv[1]) if sys.argv[1:] else CASES)
        asyncio.run(main())
