"""``kill -9`` of a gateway at work, a hundred times: ``python -m tests.benchmarks.kills [KILLS [SEED]]``.

It fails where anything acknowledged is lost or anything else half done; else it prints where the kills struck.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from tests.fakes.vllm import running_engine
from tests.gateway.crash.rounds import Figures, kill_again_and_again

KILLS = 100


async def main(kills: int, seed: int) -> None:
    """Kill it so often, and print."""
    with tempfile.TemporaryDirectory() as folder, Progress(transient=True) as progress:
        task = progress.add_task("killing", total=kills)
        async with running_engine() as running:
            figures = await kill_again_and_again(
                Path(folder), *running, kills=kills, seed=seed, tell=lambda: progress.advance(task)
            )
    show(figures)


def show(figures: Figures) -> None:
    """Print what was done."""
    out = Console(highlight=False, soft_wrap=True)
    acts = ", ".join(f"{count} {what}" for what, count in sorted(figures.answers.items()))
    out.print(f"{figures.kills} kills, {sum(figures.answers.values())} acts ({acts}): nothing lost, nothing half there")
    out.print(f"{figures.events} events and {figures.releases} releases at the end, the chain whole after every start")
    out.print(f"start: {statistics.median(figures.starts):.2f} s in the median, {max(figures.starts):.2f} s at most")
    for what, count in sorted(figures.struck.items()):
        out.print(f"  {what}: {count}")


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    asyncio.run(main(*[*given, *[KILLS, 0][len(given) :]]))
