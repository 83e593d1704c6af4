"""What weighing evidence by tenant costs, and what it prevents: the gateway's own code beside what it was before.

``python -m tests.benchmarks.tenant_simulation [RUNS]`` makes 1,000 runs of each point (20 minutes on two cores), prints
the tables, and draws ``results/canary-tenants.png``.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean

import numpy as np
from rich.console import Console
from rich.table import Table

from postil.gateway.control.analysis.betting import Tolerance
from postil.gateway.control.analysis.by_tenant import ByTenant
from postil.gateway.control.analysis.comparison import ALPHA, SIGNALS, TOLERANCE
from tests.benchmarks.canary_runs import bounds
from tests.benchmarks.pooled import Proportions

THRESHOLD = math.log(len(SIGNALS) / ALPHA)
WEIGHT = 0.2  # Of the requests to the new release; what a fresh stable is compared with has the same weight.
TENANTS = (1, 2, 5, 20)
EFFECTS = (1.0, 0.5, 0.2, 0.1, 0.05)
OLD_RATE = 0.01
HOSTILE = "mallory"
# A release of which nothing is to be found, at the very edge of what is tolerated.
EDGE = TOLERANCE.ratio * OLD_RATE + TOLERANCE.extra
RESULTS = Path("tests/benchmarks/results")
# What one tenant sends after an honest request: to the new release or not, failing or not.
Sent = Iterable[tuple[bool, bool]]
Attack = Callable[[int, bool, bool], Sent]


class Both:
    """The same requests to both tests. ``before`` and ``now`` are when each raised its alarm: 0 if it did not."""

    def __init__(self, tolerance: Tolerance = TOLERANCE, threshold: float = THRESHOLD) -> None:
        self.before = self.now = 0
        self._threshold = threshold
        self._pooled = Proportions(tolerance)
        self._by_tenant = ByTenant([tolerance])
        self._new_total = 0

    @property
    def over(self) -> bool:
        """Whether both have raised an alarm."""
        return bool(self.before and self.now)

    def ask(self, tenant: str, *, new: bool, failed: bool) -> None:
        """One request."""
        self._new_total += new
        if not self.before:
            (self._pooled.new if new else self._pooled.old)(failed)
            self.before = self._new_total if self._pooled.log_e >= self._threshold else 0
        if not self.now:
            (self._by_tenant.new if new else self._by_tenant.old)(tenant, (failed,))
            self.now = self._new_total if new and self._by_tenant.log_e(0) >= self._threshold else 0


def burst(number: int, new: bool, failed: bool) -> Sent:
    """Thirty bad requests to the new release and as many good ones to the old one, once; then nothing."""
    return ((True, True), (False, False)) * 30 if number == 20 else ()


def flood(number: int, new: bool, failed: bool) -> Sent:
    """Four requests for each of the others', bad on the new release alone."""
    return ((True, True), (False, False)) * 2


def timed(number: int, new: bool, failed: bool) -> Sent:
    """Knows of the others' every failure, and piles bad requests upon it: it ends blocks where it likes."""
    return ((True, True), (False, False)) * 20 if new and failed else ()


def sleeper(number: int, new: bool, failed: bool) -> Sent:
    """Is good until all trust it, and then bad on the new release."""
    return ((True, number > 300), (False, False))


ATTACKS: dict[str, Attack] = {"burst": burst, "flood": flood, "timed": timed, "sleeper": sleeper}


@dataclass(frozen=True, slots=True)
class World:
    """Tenants by their shares, the failure rates of both sides, and what one more tenant does."""

    shares: tuple[float, ...]
    old_rate: float
    new_rate: float
    attack: str | None = None
    horizon: int = 4_000


def even(tenants: int) -> tuple[float, ...]:
    """So many tenants who ask equally often."""
    return (1 / tenants,) * tenants


def simulate(world: World, seed: int, threshold: float = THRESHOLD) -> tuple[int, int]:
    """One comparison: at which request of the new release both tests raised their alarm, 0 if never."""
    rng, both, attack = np.random.default_rng(seed), Both(threshold=threshold), ATTACKS.get(world.attack or "")
    number = asked_new = 0
    while asked_new < world.horizon and not both.over:
        tenants = rng.choice(len(world.shares), 500, p=world.shares).tolist()
        sides, luck = (rng.random(500) < WEIGHT).tolist(), rng.random(500).tolist()
        for tenant, new, drawn in zip(tenants, sides, luck, strict=True):
            failed = drawn < (world.new_rate if new else world.old_rate)
            both.ask(f"honest-{tenant}", new=new, failed=failed)
            number, asked_new = number + 1, asked_new + new
            if attack is not None:
                for theirs, bad in attack(number, new, failed):
                    both.ask(HOSTILE, new=theirs, failed=bad)
    return both.before, both.now


def run(worlds: Sequence[World], runs: int) -> dict[World, list[tuple[int, int]]]:
    """So many comparisons in each world; the seeds are fixed."""
    with ProcessPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
        return {world: [*pool.map(partial(simulate, world), range(runs), chunksize=25)] for world in worlds}


def detection_worlds() -> list[World]:
    """A truly worse release, seen by all tenants: from 1 % of failures to so many."""
    return [World(even(tenants), OLD_RATE, rate) for tenants in TENANTS for rate in EFFECTS]


def uneven_worlds() -> list[World]:
    """Five tenants, of whom one asks most."""
    return [World((0.6, 0.1, 0.1, 0.1, 0.1), OLD_RATE, rate) for rate in EFFECTS]


def hostile_worlds() -> list[World]:
    """A release that is as good as its predecessor, or barely tolerable, beside one tenant who tries."""
    return [
        World(even(honest), OLD_RATE, rate, attack, horizon=200)
        for honest in (1, 4)
        for rate in (OLD_RATE, EDGE)
        for attack in ATTACKS
    ]


def delays(found: dict[World, list[tuple[int, int]]]) -> dict[tuple[str, float], tuple[float, float]]:
    """The mean delay before and now, by tenants and the new release's rate; without an alarm it is the horizon."""
    return {
        (_tenants(world), world.new_rate): (
            fmean(before or world.horizon for before, _ in alarms),
            fmean(now or world.horizon for _, now in alarms),
        )
        for world, alarms in found.items()
    }


def _tenants(world: World) -> str:
    return (
        str(len(world.shares))
        if len({*world.shares}) == 1
        else f"{len(world.shares)}, one with {max(world.shares):.0%}"
    )


def detection_table(means: dict[tuple[str, float], tuple[float, float]]) -> Table:
    """Delays, and how many times longer they are."""
    shown = Table(title=f"requests of the new release until it is found; it gets {WEIGHT:.0%} of the requests")
    shown.add_column("tenants")
    for rate in EFFECTS:
        shown.add_column(f"{OLD_RATE:.0%} -> {rate:.0%}", justify="right")
    for tenants in dict.fromkeys(name for name, _ in means):
        cells = (means[tenants, rate] for rate in EFFECTS)
        shown.add_row(tenants, *(f"{now:,.0f} (before: {before:,.0f}; {now / before:.2f})" for before, now in cells))
    return shown


def hostile_table(found: dict[World, list[tuple[int, int]]]) -> Table:
    """False alarms of one signal, before and now."""
    shown = Table(title=f"false alarms of one signal beside a hostile tenant; stated: {ALPHA / len(SIGNALS):.2%}")
    for name in ("honest tenants", "rates", "attack", "before", "now (99 % interval)"):
        shown.add_column(name)
    for world, alarms in found.items():
        hits, runs = sum(now > 0 for _, now in alarms), len(alarms)
        low, high = bounds(hits, runs)
        before = sum(before > 0 for before, _ in alarms) / runs
        rates = f"{world.old_rate:.1%} -> {world.new_rate:.1%}"
        shown.add_row(
            _tenants(world), rates, world.attack, f"{before:.1%}", f"{hits / runs:.2%} ({low:.2%}-{high:.2%})"
        )
    return shown


def main(runs: int = 1_000) -> None:
    """Simulate, print the tables, and draw the delays."""
    from tests.benchmarks.pictures import delay_curves  # matplotlib is only installed beside the benchmarks.

    found = run([*detection_worlds(), *uneven_worlds()], runs)
    means = delays(found)
    console = Console(width=160)
    console.print(detection_table(means))
    hostile = run(hostile_worlds(), runs)
    console.print(hostile_table(hostile))
    Path("build").mkdir(exist_ok=True)
    kept = [[*key, *value] for key, value in means.items()]
    Path("build/tenant_simulation.json").write_text(json.dumps(kept, indent=2))
    delay_curves(RESULTS / "canary-tenants.png", means)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
