"""A thousand adapters on one base, asked as people ask: ``python -m tests.benchmarks.many_zipf [ADAPTERS [ROUNDS]]``.

All are published to a gateway over a real vLLM. Some are asked often and most hardly ever (Zipf), and those that are
asked at all fit the engine's memory, though not its slots. What counts is answers a second, beside the same load on as
many adapters as there are slots; both through the gateway and on vLLM alone, in turns because machines drift.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from postil.gateway.settings import Settings
from tests.benchmarks.lora_engine import write_adapter
from tests.benchmarks.many_engine import Way, Write, gateway, loaded, order, publish_all
from tests.support.servers import prepared, vllm

ADAPTERS, ROUNDS, REQUESTS = 1000, 3, 80
HELD, SLOTS = 128, Settings.model_fields["max_loras"].default
LOADS = ("Zipf", "fitting")


def small(folder: Path, number: int) -> Path:
    """An adapter of the least rank: a thousand of them are to be made."""
    return write_adapter(folder, number, rank=1)


def asked(adapters: int, requests: int = REQUESTS) -> dict[str, list[int]]:
    """Which adapter each request of each load is for; the same in every round."""
    found = {"Zipf": order("Zipf", adapters, requests), "fitting": order("Zipf", SLOTS, requests)}
    assert len({*found["Zipf"]}) <= HELD - SLOTS, "what is asked has to fit the engine's memory"
    return found


async def rates(ways: Mapping[str, Way], loads: Mapping[str, list[int]], rounds: int) -> dict[str, Any]:
    """Answers a second of each round, by way and load."""
    found: dict[str, dict[str, list[float]]] = {way: {load: [] for load in LOADS} for way in ways}
    for turn in track(range(rounds + 1), "Zipf traffic", transient=True):
        for name, way in ways.items():
            for load, numbers in loads.items():
                began = time.perf_counter()
                await loaded(way, numbers)
                rate = len(numbers) / (time.perf_counter() - began)
                found[name][load] += [rate] if turn else []  # In the first turn the adapters are loaded.
    return found


async def measured(
    engine: str,
    folder: Path,
    *,
    adapters: int = ADAPTERS,
    rounds: int = ROUNDS,
    write: Write = small,
    **environment: str,
) -> dict[str, Any]:
    """Publish, and measure, over an engine at a URL; the gateway's data are in ``folder``."""
    loads = asked(adapters)
    home = folder / "home"
    async with gateway(home, engine, HELD, slots=SLOTS, adapters=adapters, **environment) as way:
        began = time.perf_counter()
        direct = Way(engine, "none", await publish_all(way, folder, write))
        published = time.perf_counter() - began
        found = await rates({"postil": way, "vLLM alone": direct}, loads, rounds)
    return {
        "adapters": adapters,
        "in_use": len({*loads["Zipf"]}),
        "slots": SLOTS,
        "held": HELD,
        "rates": found,
        "published_seconds": published,
    }


def share(found: Mapping[str, list[float]]) -> float:
    """What is left of the fitting load's rate: the median of the rounds' ratios."""
    return statistics.median(zipf / fits for zipf, fits in zip(found["Zipf"], found["fitting"], strict=True))


def show(raw: Mapping[str, Any]) -> None:
    """Print the table."""
    title = f"{raw['adapters']} adapters, {raw['in_use']} in use, {raw['held']} held, {raw['slots']} slots"
    table = Table("answers/s", *LOADS, "share", title=title)
    for way, found in raw["rates"].items():
        table.add_row(way, *(f"{statistics.median(found[load]):.1f}" for load in LOADS), f"{share(found):.2f}")
    Console(width=110).print(table)
    print(f"published and promoted in {raw['published_seconds']:.0f} s")


async def main(adapters: int = ADAPTERS, rounds: int = ROUNDS) -> dict[str, Any]:
    """Start vLLM, measure, show; returns the raw numbers."""
    with tempfile.TemporaryDirectory() as name:
        model = await asyncio.to_thread(prepared, Path(name) / "home")
        async with vllm(model, max_loras=SLOTS, max_cpu_loras=HELD, max_model_len=512) as engine:
            raw = await measured(engine, Path(name), adapters=adapters, rounds=rounds)
    show(raw)
    return raw


if __name__ == "__main__":
    asyncio.run(main(*(int(given) for given in sys.argv[1:])))
