"""How often the automatic rollback is wrong, and how soon it is right.

``python -m tests.benchmarks.canary_simulation`` takes some 25 minutes on two cores; with ``--short``, 40 seconds.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from postil.gateway.control.analysis.betting import Tolerance
from postil.gateway.control.analysis.comparison import ALPHA, SIGNALS, TOLERANCE
from tests.benchmarks.canary_runs import STRICT, Counts, Floats, Many, Peeking, World, bounds, simulate

RATES = (0.001, 0.01, 0.05, 0.2, 0.5)
WEIGHTS = (0.01, 0.05, 0.1, 0.5)
PAIRS = (
    (0.001, 1.0), (0.001, 0.01), (0.01, 0.02), (0.01, 0.05), (0.01, 0.2),
    (0.05, 0.1), (0.05, 0.2), (0.2, 0.3), (0.2, 0.5), (0.5, 0.7),
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One point of a table."""

    table: str
    row: str
    column: str
    world: World
    tolerance: Tolerance = TOLERANCE
    kind: type[Many] = Many


def false_alarm_jobs() -> Iterable[Job]:
    """No difference at all, and the largest that is tolerated."""
    for rate in RATES:
        edge = TOLERANCE.ratio * rate + TOLERANCE.extra
        for weight in WEIGHTS:
            yield Job("same", f"{rate:.1%}", f"{weight:.0%}", World(rate, rate, weight))
            yield Job("edge", f"{rate:.1%} -> {edge:.2%}", f"{weight:.0%}", World(rate, edge, weight))


def detection_jobs() -> Iterable[Job]:
    """Differences that should be found, from the first request on or after 2,000 good ones."""
    for weight in (0.05, 0.5):
        for old_rate, new_rate in PAIRS:
            row = f"{old_rate:.1%} -> {new_rate:.0%}"
            yield Job("found", row, f"{weight:.0%}", World(old_rate, new_rate, weight))
        yield Job("found", "1.0% -> 20% late", f"{weight:.0%}", World(0.01, 0.01, weight, later=(2_000, 0.2)))


def crowd(runs: int, users: int, skew: float, seed: int) -> World:
    """Users with rates of their own, 5 % on average and as much apart; each is on one side for good.

    ``skew`` 0 has all users ask equally often; with 1 the n-th asks 1/n as often as the first.
    """
    rng = np.random.default_rng(seed)
    shares = 1 / np.arange(1, users + 1) ** skew
    shares /= shares.sum()
    sides: Floats = np.empty((3, runs))
    for one in range(runs):
        on_new = rng.random(users) < 0.1
        on_new[-2:] = False, True
        failing, weight = shares * rng.beta(0.9, 17.1, users), shares[on_new].sum()
        sides[:, one] = failing[~on_new].sum() / (1 - weight), failing[on_new].sum() / weight, weight
    return World(*sides)


def crowd_jobs(runs: int) -> Iterable[Job]:
    """The same release on both sides, and users who stay on theirs: what the promise does not cover."""
    for name, users, skew in (("10,000 alike", 10_000, 0.0), ("1,000 alike", 1_000, 0.0), ("1,000 skewed", 1_000, 1.0)):
        for label, tolerance in (("none", STRICT), ("default", TOLERANCE)):
            yield Job("crowd", name, label, crowd(runs, users, skew, seed=users), tolerance)


def peeking_jobs() -> Iterable[Job]:
    """A test with a fixed horizon, looked at all the time."""
    for rate in (0.01, 0.2):
        for weight in (0.05, 0.5):
            yield Job("peeked", f"{rate:.1%}", f"{weight:.0%}", World(rate, rate, weight), kind=Peeking)


def _done(numbered: tuple[int, Job, int, int]) -> Counts:
    seed, job, runs, horizon = numbered
    until = horizon if job.world.later is None else horizon + job.world.later[0]
    return simulate(job.world, runs=runs, horizon=until, seed=seed, tolerance=job.tolerance, kind=job.kind)


def run(jobs: Sequence[Job], runs: int, horizon: int) -> list[Counts]:
    """The alarms of every job, in order. The seeds are the jobs' places, so that the figures come out the same."""
    numbered = [(place, job, runs, horizon) for place, job in enumerate(jobs)]
    with ProcessPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
        return list(track(pool.map(_done, numbered), "simulating", total=len(jobs), transient=True))


def percent(hits: int, of: int) -> str:
    """A share with its exact 99 % interval."""
    low, high = bounds(hits, of)
    return f"{hits / of:.2%} ({100 * low:.2f}-{100 * high:.2f})"


def false_alarms(found: dict[Job, Counts], table: str, title: str) -> Table:
    """A row for each rate, and one for a comparison whose four signals have a rate each."""
    shown = Table(title=f"{title}; one signal may at most {ALPHA / len(SIGNALS):.2%}, all four together {ALPHA:.2%}")
    shown.add_column("failures, old -> new")
    for weight in WEIGHTS:
        shown.add_column(f"canary {weight:.0%}", justify="right")
    alarms = {(job.row, job.column): counts > 0 for job, counts in found.items() if job.table == table}
    rows = list(dict.fromkeys(row for row, _ in alarms))
    columns = [f"{weight:.0%}" for weight in WEIGHTS]
    for row in rows:
        shown.add_row(row, *(percent(int(alarms[row, column].sum()), alarms[row, column].size) for column in columns))
    four = [np.any([alarms[row, column] for row in rows[: len(SIGNALS)]], axis=0) for column in columns]
    shown.add_row("the first four as one", *(percent(int(one.sum()), one.size) for one in four))
    return shown


def detections(found: dict[Job, Counts], horizon: int) -> Table:
    """What share is found by when, and the median, in requests of the canary."""
    shown = Table(title="what is found, by the canary's n-th request; the median is over all, found or not")
    shown.add_column("failures, old -> new")
    for name in ("canary", "by 100", "by 1,000", f"by {horizon:,}", "median"):
        shown.add_column(name, justify="right")
    for job, counts in found.items():
        if job.table == "found":
            since = np.where(counts > 0, counts - (job.world.later or (0,))[0], np.inf)
            median = float(np.median(since))
            by = (f"{np.mean(since <= limit):.1%}" for limit in (100, 1_000, horizon))
            shown.add_row(job.row, job.column, *by, f"{median:,.0f}" if median < np.inf else "never")
    return shown


def peeked(found: dict[Job, Counts]) -> Table:
    """What happens to a test that is meant to be looked at once."""
    shown = Table(title="alarms where nothing differs, of a z-test at 1 % that is looked at after every request")
    for name in ("failures", "canary", "alarms of one signal"):
        shown.add_column(name)
    for job, counts in found.items():
        if job.table == "peeked":
            shown.add_row(job.row, job.column, percent(int((counts > 0).sum()), counts.size))
    return shown


def crowds(found: dict[Job, Counts]) -> Table:
    """Beyond the promise: the same release on both sides, users who differ."""
    shown = Table(title="the same release, users who fail 5 % +- 5 % and stay on their side (canary 10 %)")
    for name in ("users", "tolerance", "alarms of one signal"):
        shown.add_column(name)
    for job, counts in found.items():
        if job.table == "crowd":
            shown.add_row(job.row, job.column, percent(int((counts > 0).sum()), counts.size))
    return shown


def main(*, short: bool) -> None:
    """Simulate, print the tables, and keep the numbers."""
    runs, horizon = (1_000, 2_000) if short else (10_000, 10_000)
    jobs = [*false_alarm_jobs(), *detection_jobs(), *peeking_jobs(), *crowd_jobs(runs)]
    found = dict(zip(jobs, run(jobs, runs, horizon), strict=True))
    console = Console()
    console.print(f"automatic rollback: {runs:,} comparisons a point, each until the canary's {horizon:,}th request")
    console.print(false_alarms(found, "same", "alarms where nothing differs"))
    console.print(false_alarms(found, "edge", "alarms at the edge of what is tolerated"))
    console.print(detections(found, horizon))
    console.print(peeked(found))
    console.print(crowds(found))
    Path("build").mkdir(exist_ok=True)
    kept = [[job.table, job.row, job.column, np.bincount(counts > 0).tolist()] for job, counts in found.items()]
    Path("build/canary_simulation.json").write_text(json.dumps(kept, indent=2))


if __name__ == "__main__":
    main(short="--short" in sys.argv)
