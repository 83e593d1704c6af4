"""Kill, start, look; and again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.vllm import FakeVLLM
from tests.gateway.crash.inspection import Inspection
from tests.gateway.crash.victim import Victim


@dataclass(frozen=True)
class Figures:
    """What was done in all rounds: seconds of each start, what became of the acts, and where the kills struck."""

    kills: int
    starts: list[float]
    answers: dict[str, int]
    struck: dict[str, int]
    events: int
    releases: int


async def kill_again_and_again(
    folder: Path, engine: FakeVLLM, engine_url: str, *, kills: int, seed: int = 0, database_url: str | None = None,
    tell: Callable[[], None] = lambda: None,
) -> Figures:  # fmt: skip
    """Kill a gateway so often, always on the same data. Raises AssertionError if anything was lost or half done."""
    victim = Victim(folder, engine, engine_url, seed, database_url)
    inspection = Inspection(victim)
    try:
        await victim.start()
        await victim.add_tenants()
        for _ in range(kills):
            await victim.kill_at_work()
            inspection.of_the_remains()
            await victim.start()
            await inspection.of_the_living()
            tell()
        await inspection.of_the_garbage()
    finally:
        await victim.stop()
    releases = sum(len(told.releases) for told in victim.work.adapters.values())
    return Figures(
        kills, victim.starts, dict(inspection.answers), dict(victim.struck), len(inspection.events), releases
    )
