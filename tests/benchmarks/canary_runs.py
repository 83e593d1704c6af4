"""Comparisons of one signal by the thousand, side by side, each looked at after every request.

The formulas of ``pooled`` stand here once more, for arrays. A test shows that both give the same numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from postil.gateway.control.analysis.betting import RISK, Tolerance
from postil.gateway.control.analysis.comparison import ALPHA, SIGNALS, TOLERANCE
from tests.benchmarks.pooled import BLOCK, ODDS, PRIOR_FAILED, PRIOR_PASSED

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

THRESHOLD = len(SIGNALS) / ALPHA
STRICT = Tolerance(1.0, 0.0)


@dataclass(frozen=True, slots=True)
class Blocks:
    """One block of every run: the requests of each side, and which of the first BLOCK and of the rest failed."""

    old_size: Counts
    old_failed: Counts
    old_failed_beyond: Counts
    new_size: Counts
    new_failed: Counts
    new_failed_beyond: Counts


class Many:
    """``Proportions`` for many runs at once."""

    def __init__(self, runs: int, tolerance: Tolerance = TOLERANCE) -> None:
        self.tolerance = tolerance
        self.log_e = np.zeros(runs)
        self.counts = np.zeros((4, runs), dtype=np.int64)

    def close(self, blocks: Blocks) -> None:
        """Bet on a block of every run by what was known without it."""
        old_size, new_size = np.minimum(blocks.old_size, BLOCK), np.minimum(blocks.new_size, BLOCK)
        old_failed, old_total, new_failed, new_total = self.counts
        old_failed += blocks.old_failed_beyond
        old_total += blocks.old_size - old_size
        new_failed += blocks.new_failed_beyond
        new_total += blocks.new_size - new_size
        ratio, extra = self.tolerance.ratio, self.tolerance.extra
        old_rate = (old_failed + PRIOR_FAILED) / (old_total + (PRIOR_FAILED + PRIOR_PASSED))
        tolerated = ratio * old_rate + extra
        suspected = ODDS * tolerated / (1 + (ODDS - 1) * tolerated)
        new_rate = (new_failed + PRIOR_FAILED) / (new_total + PRIOR_FAILED / suspected)
        bets = np.flatnonzero(new_rate > tolerated)
        sizes = (old_size[bets], blocks.old_failed[bets], new_size[bets], blocks.new_failed[bets])
        self.log_e[bets] += self._log_gain(old_rate[bets], new_rate[bets], *sizes)
        self.counts += (blocks.old_failed, old_size, blocks.new_failed, new_size)

    def _log_gain(
        self, old_rate: Floats, new_rate: Floats, old: Counts, old_failed: Counts, new: Counts, new_failed: Counts
    ) -> Floats:
        ratio, extra = self.tolerance.ratio, self.tolerance.extra
        x = (old * old_rate + new * (new_rate - extra) / ratio) / (old + new)
        y = ratio * x + extra
        odds = old / (new * ratio)
        on_new = np.minimum(odds * (x - old_rate) / (x * (1 - x)), RISK / y)
        on_old = on_new / odds
        gain: Floats = (old - old_failed) * np.log1p(on_old * x) + old_failed * np.log1p(-on_old * (1 - x))
        gain += (new - new_failed) * np.log1p(-on_new * y) + new_failed * np.log1p(on_new * (1 - y))
        return gain

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Go on with these runs only."""
        self.log_e, self.counts = self.log_e[which], self.counts[:, which]


class Peeking(Many):
    """What not to do: a one-sided z-test of two proportions, made to be looked at once, at 1 %."""

    def close(self, blocks: Blocks) -> None:
        """Count a block of every run, and test all that was counted."""
        self.counts += (
            blocks.old_failed + blocks.old_failed_beyond, blocks.old_size,
            blocks.new_failed + blocks.new_failed_beyond, blocks.new_size,
        )  # fmt: skip
        old_failed, old_total, new_failed, new_total = self.counts
        pooled = (old_failed + new_failed) / (old_total + new_total)
        deviation = np.sqrt(pooled * (1 - pooled) * (1 / old_total + 1 / new_total))
        # Where the normal approximation is in order: ten failures or more.
        sure = (new_failed / new_total - old_failed / old_total > 2.326 * deviation) & (old_failed + new_failed >= 10)
        self.log_e = np.where(sure, np.inf, 0.0)


@dataclass(frozen=True, slots=True)
class World:
    """What the requests are like: failure rates of both sides, and the share of requests that the new side gets.

    Each is a number, or one for every run. ``later``: from that request of the new side on, it fails at that rate.
    """

    old_rate: float | Floats
    new_rate: float | Floats
    weight: float | Floats
    later: tuple[int, float] | None = None


def draw(rng: np.random.Generator, weight: Floats, old_rate: Floats, new_rate: Floats) -> Blocks:
    """The next block of every run. It begins with either side, and ends with the first request of the other."""
    new_first = rng.random(len(weight)) < weight
    old_size = np.where(new_first, 1, rng.geometric(weight))
    new_size = np.where(new_first, rng.geometric(1 - weight), 1)
    old_failed = rng.binomial(np.minimum(old_size, BLOCK), old_rate)
    new_failed = rng.binomial(np.minimum(new_size, BLOCK), new_rate)
    old_beyond = _failed_beyond(rng, old_size, old_rate)
    new_beyond = _failed_beyond(rng, new_size, new_rate)
    return Blocks(old_size, old_failed, old_beyond, new_size, new_failed, new_beyond)


def _failed_beyond(rng: np.random.Generator, size: Counts, rate: Floats) -> Counts:
    beyond = np.maximum(size - BLOCK, 0)
    return rng.binomial(beyond, rate) if beyond.any() else beyond


def simulate(
    world: World,
    *,
    runs: int,
    horizon: int,
    seed: int,
    threshold: float = THRESHOLD,
    tolerance: Tolerance = TOLERANCE,
    kind: type[Many] = Many,
) -> Counts:
    """How many requests the new side had had when the alarm came, for every run; 0 where it never came.

    A run ends with its alarm, or when the new side has had ``horizon`` requests.
    """
    rng = np.random.default_rng(seed)
    rates = np.empty((3, runs))
    rates[:] = [np.broadcast_to(value, runs) for value in (world.weight, world.old_rate, world.new_rate)]
    many, alarms, running = kind(runs, tolerance), np.zeros(runs, dtype=np.int64), np.arange(runs)
    while len(running):
        if world.later is not None:
            rates[2, many.counts[3] >= world.later[0]] = world.later[1]
        many.close(draw(rng, *rates))
        found, requests = many.log_e >= math.log(threshold), many.counts[3]
        alarms[running[found]] = requests[found]
        ended = found | (requests >= horizon)
        if ended.any():
            many.keep(~ended)
            running, rates = running[~ended], rates[:, ~ended]
    alarms[alarms > horizon] = 0
    return alarms


def bounds(hits: int, of: int, confidence: float = 0.99) -> tuple[float, float]:
    """The exact (Clopper-Pearson) interval of a probability of which ``hits`` of ``of`` were seen."""
    logs = [math.lgamma(of + 1) - math.lgamma(k + 1) - math.lgamma(of - k + 1) for k in range(hits + 1)]

    def at_most(upto: int, p: float) -> float:
        return math.fsum(math.exp(logs[k] + k * math.log(p) + (of - k) * math.log1p(-p)) for k in range(upto + 1))

    def solve(upto: int, wanted: float) -> float:
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if at_most(upto, middle) > wanted else (low, middle)
        return low

    tail = (1 - confidence) / 2
    return (0.0 if hits == 0 else solve(hits - 1, 1 - tail)), (1.0 if hits == of else solve(hits, tail))
