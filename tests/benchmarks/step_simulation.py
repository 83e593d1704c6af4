"""How long a good release takes through the steps of a canary, and how far a bad one gets: the gateway's own code.

``python -m tests.benchmarks.step_simulation [RUNS]`` makes 500 runs of each point (some two minutes on two cores).
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table

from postil.gateway.control.analysis.by_tenant import ByTenant
from postil.gateway.control.analysis.comparison import ALPHA, SIGNALS, TOLERANCE
from postil.gateway.control.analysis.steps import StepEvidence, Wait, standing, waits_for
from postil.registry.releases.step_plan import StepPlan

THRESHOLD = math.log(len(SIGNALS) / ALPHA)
STEPS = (5.0, 25.0, 50.0)
NEEDED = 200
TENANTS = 5
OLD_RATE = 0.01
EDGE = TOLERANCE.ratio * OLD_RATE + TOLERANCE.extra
RATES = (OLD_RATE, EDGE, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
# How many requests come between two looks of the gateway, and after how many a run is over in any case.
_LOOK, _HORIZON = 20, 20_000


@dataclass(frozen=True, slots=True)
class World:
    """Tenants who ask equally often, the failure rates of both sides, and what a step needs."""

    new_rate: float
    tenants: int = TENANTS
    old_rate: float = OLD_RATE
    needed: int = NEEDED


@dataclass(frozen=True, slots=True)
class Run:
    """How a canary went: the last ``step`` that it reached, from 0, and how.

    ``requests`` to the adapter came until it was through (the last step judged, too), or until the alarm.
    ``bad`` is how many of them a failing answer of the canary met. ``suspected``: a signal came half the way.
    """

    step: int
    requests: int
    bad: int
    alarm: bool
    suspected: bool

    @property
    def through(self) -> bool:
        """Whether it came through all steps by evidence."""
        return not self.alarm and not self.suspected and self.step == len(STEPS) - 1


class Canary:
    """One canary on its way; ``ask`` takes a request, ``look`` makes the step that is due."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.plan = StepPlan(STEPS, 0, held=False, revision=0)
        self.test = ByTenant([TOLERANCE])
        self.test.known(map(str, range(world.tenants)))
        self.bad = 0
        self.alarm = self.suspected = self.over = False
        self._began = self.test.judged()

    def ask(self, tenant: str, side: float, luck: float) -> bool:
        """One request: ``side`` decides who answers, ``luck`` whether the answer fails. Returns whether it is over."""
        if side * 100 >= self.plan.weight:
            self.test.old(tenant, (luck < self.world.old_rate,))
            return False
        failed = luck < self.world.new_rate
        self.bad += failed
        if self.test.new(tenant, (failed,)) and self.test.log_e(0) >= THRESHOLD:
            self.alarm = self.over = True
        return self.over

    def look(self) -> None:
        """Make the step that is due; at the last one, the run is over when it would be."""
        judged = standing(self.test.judged(), self._began, alone=self.test.alone)
        shown = StepEvidence(judged, self.test.log_e(0) / THRESHOLD, SIGNALS[0])
        # At the last step the rule is asked as if there were another one.
        longer = replace(self.plan, steps=(*STEPS, 99.0))
        match waits_for(longer, shown, self.world.needed):
            case Wait.SUSPICION:
                self.suspected = True
            case Wait.NOTHING if self.plan.next_weight is None:
                self.over = True
            case Wait.NOTHING:
                self.plan = replace(self.plan, step=self.plan.step + 1, revision=self.plan.revision + 1)
                self._began = self.test.judged()


def simulate(world: World, seed: int) -> Run:
    """One canary, until it is through, found worse, or the horizon is reached."""
    rng, canary, asked = np.random.default_rng(seed), Canary(world), 0
    while not canary.over and asked < _HORIZON:
        tenants = rng.integers(0, world.tenants, _LOOK).tolist()
        sides, luck = rng.random(_LOOK).tolist(), rng.random(_LOOK).tolist()
        for tenant, side, drawn in zip(tenants, sides, luck, strict=True):
            asked += 1
            if canary.ask(str(tenant), side, drawn):
                break
        else:
            canary.look()
    return Run(canary.plan.step, asked, canary.bad, canary.alarm, canary.suspected)


def run(worlds: Sequence[World], runs: int) -> dict[World, list[Run]]:
    """So many canaries in each world; the seeds are fixed."""
    with ProcessPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
        return {world: [*pool.map(partial(simulate, world), range(runs), chunksize=10)] for world in worlds}


def table(found: dict[World, list[Run]]) -> Table:
    """A row for each failure rate of the canary."""
    shown = Table(title=f"steps {STEPS} %, {NEEDED} requests judged at each; {TENANTS} tenants, 1 % fail before")
    columns = ("fails", "through all", "requests until then", "found at 5 %", "at 25 %", "at 50 %", "stays suspected",
               "bad answers")  # fmt: skip
    for column in columns:
        shown.add_column(column, justify="right")
    for world, runs in found.items():
        through = [each.requests for each in runs if each.through]
        shown.add_row(
            f"{world.new_rate:.1%}",
            f"{len(through) / len(runs):.1%}",
            f"{median(through):,.0f}" if through else "",
            *(f"{sum(each.alarm and each.step == step for each in runs) / len(runs):.1%}" for step in range(3)),
            f"{sum(each.suspected and not each.alarm for each in runs) / len(runs):.1%}",
            f"{median(each.bad for each in runs):,.0f}",
        )
    return shown


def main(runs: int) -> None:
    """Simulate and print the table."""
    Console(width=140).print(table(run([World(rate) for rate in RATES], runs)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
