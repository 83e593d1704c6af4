"""Does the new side fail more often than the old one? A test that may be read after every outcome.

Outcomes are yes or no (failed or not) and come in blocks: some of the old side, some of the new, in the order in which
their requests came. Before a block's outcomes count, a bet is placed on them: each multiplies the evidence by

    old failed:  1 - c (1 - x)     old passed:  1 + c x
    new failed:  1 + b (1 - y)     new passed:  1 - b y          with c = b r n_new / n_old

where x is any rate, y = r x + d, and r and d are the tolerance: what is tested is "the new side's rate is at most
r times the old one's, plus d". Let the old side's true rate be p and the new one's q. The expectations of the
factors, taken over the n outcomes of the block, have the mean 1 + b n_new / n ((q - y) - r (p - x)), which is
1 + b n_new / n (q - r p - d): at most 1 where the new side is within its tolerance. A product is at most the power
of its mean, so the block's expectation is at most 1, whatever x and b, as long as they were chosen without looking at
the block. The evidence is then a test supermartingale: that it ever reaches 1/alpha has a probability of at most
alpha (Ville), however often it is read.

With r = 1 and d = 0 this is the e-variable of Turner, Ly and Grünwald, "Generic E-variables for exact sequential
k-sample tests that allow for optional stopping" (JSPI 230, 2024; arXiv 2106.02693), written as a bet. The tolerance
is their minimal effect size, a convex null hypothesis as in Turner and Grünwald (arXiv 2203.09785). They find x by
projection. Here it is a weighted mean: no weaker in simulation, and valid without solving anything.

A mixture of such evidences, each with a strategy of its own for the bets, is a test supermartingale, too. One strategy
learns the new side's rate; the others expect it at fixed odds, so that a gross failure shows after a few requests.

Assumed: outcomes are independent of each other given the release, and neither the sizes of the blocks nor the order of
outcomes depends on them (`Arrivals` ensures that). Not assumed: that rates stay as they are. They may drift from block
to block, and what hits both sides alike, such as a hanging engine, is no evidence: a block whose new side
failed no more often than tolerated never adds any.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, log1p
from typing import NamedTuple

# Prior: the old side fails one time in forty, the new side at twice the odds of what is then tolerated. Both priors
# weigh half a failure, so data soon outweighs them; they hardly change when a regression is detected.
PRIOR_FAILED, PRIOR_PASSED = 0.5, 20.0
ODDS = 2.0
# What the strategies that do not learn expect: the new side at these odds, in multiples of those that are tolerated.
# Chosen by simulation (deploy/decisions/0022).
EXPECTED_ODDS = (4.0, 16.0, 100.0)
# A bet risks at most this share of the evidence on one outcome, so that no outcome reduces the evidence to zero.
RISK = 0.9


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The tolerated difference: failing up to ``ratio`` times as often as the old release, plus ``extra``."""

    ratio: float = 1.1
    extra: float = 0.001

    def __post_init__(self) -> None:
        if self.ratio < 1 or not 0 <= self.extra < 1:
            raise ValueError(
                f"a tolerance of {self.ratio} times plus {self.extra} would find fault with an equal release; "
                "take a ratio of at least 1 and an extra from 0 to below 1"
            )


class Bet(NamedTuple):
    """A bet on one block. ``on_new`` is b above, ``on_old`` is c; ``old_rate`` is x, ``new_rate`` is y."""

    old_rate: float
    new_rate: float
    on_old: float
    on_new: float

    def log_gain(self, old_failed: int, old_passed: int, new_failed: int, new_passed: int) -> float:
        """Return by how much the block's outcomes change the evidence, as a natural logarithm."""
        gain = old_passed * log1p(self.on_old * self.old_rate) + new_passed * log1p(-self.on_new * self.new_rate)
        if old_failed:
            gain += old_failed * log1p(-self.on_old * (1 - self.old_rate))
        if new_failed:
            gain += new_failed * log1p(self.on_new * (1 - self.new_rate))
        return gain


def place_bet(tolerance: Tolerance, old_rate: float, new_rate: float, old_size: int, new_size: int) -> Bet | None:
    """Return the bet with the fastest growth at these rates; None if the rates are within the tolerance."""
    ratio, extra = tolerance.ratio, tolerance.extra
    if new_rate <= ratio * old_rate + extra:
        return None
    x = (old_size * old_rate + new_size * (new_rate - extra) / ratio) / (old_size + new_size)
    y = ratio * x + extra
    odds = old_size / (new_size * ratio)
    on_new = min(odds * (x - old_rate) / (x * (1 - x)), RISK / y)
    return Bet(x, y, on_new / odds, on_new)


def expected_rates(
    tolerance: Tolerance, old_failed: int, old_total: int, new_failed: int, new_total: int
) -> tuple[float, float]:
    """Estimate both failure rates from these counts. The prior of the new side weighs half a failure."""
    old_rate = (old_failed + PRIOR_FAILED) / (old_total + PRIOR_FAILED + PRIOR_PASSED)
    tolerated = tolerance.ratio * old_rate + tolerance.extra
    suspected = ODDS * tolerated / (1 + (ODDS - 1) * tolerated)
    return old_rate, (new_failed + PRIOR_FAILED) / (new_total + PRIOR_FAILED / suspected)


class Wealth:
    """The evidence on one failure rate: a mixture of the strategies, each with an equal part of the stake.

    ``log_e`` is the natural logarithm of the evidence that the new side is worse than tolerated; it starts at 0.
    ``peak`` is the highest that it has been. The counts are those that were bet on or learned from so far.
    """

    __slots__ = ("_logs", "log_e", "new_failed", "new_total", "old_failed", "old_total", "peak", "tolerance")

    def __init__(self, tolerance: Tolerance) -> None:
        self.tolerance = tolerance
        self.log_e = self.peak = 0.0
        self.old_failed = self.old_total = self.new_failed = self.new_total = 0
        self._logs = [0.0] * (1 + len(EXPECTED_ODDS))

    def copy(self) -> Wealth:
        """Return one with the same history."""
        made = Wealth(self.tolerance)
        made.log_e, made.peak, made._logs = self.log_e, self.peak, self._logs.copy()
        made.old_failed, made.old_total = self.old_failed, self.old_total
        made.new_failed, made.new_total = self.new_failed, self.new_total
        return made

    def learn(self, old_failed: int, old_total: int) -> None:
        """Take the old side's outcomes up to these counts as known: nothing is bet on them."""
        self.old_failed, self.old_total = old_failed, old_total

    def bet(self, old_failed: int, old_total: int, new_failed: int, new_total: int) -> None:
        """Bet on the block up to these counts by what was known before it; a block without one of the sides waits."""
        old_size, new_size = old_total - self.old_total, new_total - self.new_total
        if old_size == 0 or new_size == 0:
            return
        block = (old_failed - self.old_failed, old_size, new_failed - self.new_failed, new_size)
        for strategy, (old_rate, new_rate) in enumerate(self._expected()):
            self._logs[strategy] += _gain(self.tolerance, old_rate, new_rate, *block)
        self.old_failed, self.old_total, self.new_failed, self.new_total = old_failed, old_total, new_failed, new_total
        most = max(self._logs)
        self.log_e = most + log(sum(exp(each - most) for each in self._logs) / len(self._logs))
        self.peak = max(self.peak, self.log_e)

    def _expected(self) -> list[tuple[float, float]]:
        """The rates of both sides that each strategy expects."""
        counts = (self.old_failed, self.old_total, self.new_failed, self.new_total)
        old_rate, learned = expected_rates(self.tolerance, *counts)
        tolerated = self.tolerance.ratio * old_rate + self.tolerance.extra
        fixed = [(old_rate, odds * tolerated / (1 + (odds - 1) * tolerated)) for odds in EXPECTED_ODDS]
        return [(old_rate, learned), *fixed]


def _gain(
    tolerance: Tolerance,
    old_rate: float,
    new_rate: float,
    old_failed: int,
    old_size: int,
    new_failed: int,
    new_size: int,
) -> float:
    bet = place_bet(tolerance, old_rate, new_rate, old_size, new_size)
    if bet is None:
        return 0.0
    return bet.log_gain(old_failed, old_size - old_failed, new_failed, new_size - new_failed)
