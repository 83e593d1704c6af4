"""What workers add, and what they cost: ``python -m tests.benchmarks.workers [MOST] [SECONDS]``.

One process beside several workers, on cores of their own where there are enough; what asks and what answers get the
others. On two cores all share both: there only the processor time of an answer says something.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.benchmarks import hop, load
from tests.benchmarks.load import Target
from tests.support.servers import free_port, running

ROUNDS, SECONDS, MOST = 3, 2, 8
CONNECTIONS = 64
ROWS = ("base", "labels")
Raw = dict[str, dict[str, dict[str, list[float]]]]


@dataclass(frozen=True)
class Cores:
    """Which cores are whose, as ``taskset`` takes them."""

    gateway: str
    rest: str


def crews(most: int) -> Iterator[int]:
    """How many processes answer: one, and twice as many, as long as primary and load have cores of their own."""
    count = 1
    while count <= max(2, min(most, (os.cpu_count() or 1) - 3)):
        yield count
        count *= 2


def cores(count: int) -> Cores:
    """The primary has a core, too. Where there are too few, all share all."""
    known = os.cpu_count() or 1
    needed = 1 if count == 1 else count + 1
    if known - needed < 1:
        return Cores(f"0-{known - 1}", f"0-{known - 1}")
    return Cores(f"0-{needed - 1}", f"{needed}-{known - 1}")


@asynccontextmanager
async def served(count: int, folder: Path) -> AsyncIterator[dict[str, Target]]:
    """A gateway of so many processes over an upstream that costs next to nothing."""
    engine, mine = f"http://127.0.0.1:{free_port()}", cores(count)
    upstream = [sys.executable, "-m", "tests.benchmarks.upstream", engine.rpartition(":")[2], "0"]
    async with (
        running(["taskset", "-c", mine.rest, *upstream], f"{engine}/health"),
        hop.gateway(engine, folder, pinned=mine.gateway, workers=count) as (url, key, pid),
    ):
        yield {row: Target(url, key, "base" if row == "base" else f"bench/{row}", pid) for row in ROWS}


async def measure(most: int, seconds: int, rounds: int) -> Raw:
    """Every row for every crew."""
    raw: Raw = {}
    counts = list(crews(most))
    with tempfile.TemporaryDirectory() as name, Progress(transient=True) as progress:
        shown = progress.add_task("workers", total=len(counts) * rounds * len(ROWS))
        for count in counts:
            folder = Path(name) / str(count)
            folder.mkdir()
            async with served(count, folder) as targets:
                for _ in range(rounds):
                    for row, target in targets.items():
                        seen = await _asked(target, folder, count, seconds)
                        for what, value in seen.items():
                            raw.setdefault(str(count), {}).setdefault(row, {}).setdefault(what, []).append(value)
                        progress.advance(shown)
    return raw


async def _asked(target: Target, folder: Path, count: int, seconds: int) -> dict[str, float]:
    """Answers a second, the processor time of each, and the primary's part of that."""
    primary = psutil.Process(target.pid)
    before = sum(primary.cpu_times()[:2])
    seen = await load.whole(target, folder, CONNECTIONS, seconds, pinned=cores(count).rest)
    kept = (sum(primary.cpu_times()[:2]) - before) / (seen["per_second"] * seconds)
    return {
        "per_second": seen["per_second"],
        "cpu_us": seen["cpu_us"],
        "primary_us": kept * 1e6,
        "p50_ms": seen["p50_ms"],
        "p99_ms": seen["p99_ms"],
    }


def show(raw: Raw) -> None:
    """Print the table."""
    table = Table(title=f"processes that answer; {os.cpu_count()} cores, {CONNECTIONS} connections")
    for column in ("row", "processes", "answers/s", "to one", "CPU each", "of it the primary's", "p50", "p99"):
        table.add_column(column, justify="left" if column == "row" else "right")
    for row in ROWS:
        for count, rows in raw.items():
            one = {what: statistics.median(values) for what, values in rows[row].items()}
            first = statistics.median(raw["1"][row]["per_second"])
            primary = "-" if count == "1" else f"{one['primary_us']:.0f} us"
            table.add_row(
                row,
                count,
                f"{one['per_second']:,.0f}",
                f"{one['per_second'] / first:.2f}",
                f"{one['cpu_us']:.0f} us",
                primary,
                f"{one['p50_ms']:.2f} ms",
                f"{one['p99_ms']:.2f} ms",
            )
    Console(width=110).print(table)


async def main(most: int = MOST, seconds: int = SECONDS, rounds: int = ROUNDS) -> Any:
    """Measure and show; returns the raw numbers."""
    load.wrk()
    raw = await measure(most, seconds, rounds)
    show(raw)
    return raw


if __name__ == "__main__":
    asyncio.run(main(*(int(argument) for argument in sys.argv[1:3])))
