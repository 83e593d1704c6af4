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
from operator import sub
from typing import NamedTuple

# Prior: the old side fails one time in forty, the new side at twice the odds of what is then tolerated. Both priors
# weigh half a failure, so data soon outweighs them; they hardly change when a regression is detected.
PRIOR_FAILED, PRIOR_PASSED = 0.5, 20.0
ODDS = 2.0
# What the strategies that do not learn expect: the new side at these odds, in multiples of those that are tolerated.
# Chosen by simulation (deploy/decisions/0023).
EXPECTED_ODDS = (4.0, 16.0, 100.0)
# A bet risks at most this share of the evidence on one outcome, so that no outcome reduces the evidence to zero.
RISK = 0.9
_DEFERRED = 256


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


class Counts(NamedTuple):
    """Failures and requests of the old side, then of the new one."""

    old_failed: int = 0
    old_total: int = 0
    new_failed: int = 0
    new_total: int = 0


class Wealth:
    """The evidence on one failure rate: a mixture of the strategies, each with an equal part of the stake.

    ``peak`` is the highest that it has been, as a natural logarithm; it starts at 0. ``known`` are the counts up to
    which outcomes were bet on or learned from.
    """

    __slots__ = ("_deferred", "_logs", "known", "peak", "tolerance")

    def __init__(self, tolerance: Tolerance) -> None:
        self.tolerance = tolerance
        self.peak = 0.0
        self.known = Counts()
        self._logs = [0.0] * (1 + len(EXPECTED_ODDS))
        # Until the new side fails for the first time the evidence only falls: these blocks are worked out then.
        self._deferred: list[tuple[Counts, Counts]] = []

    @property
    def log_e(self) -> float:
        """The natural logarithm of the evidence that the new side is worse than tolerated."""
        self._work_out()
        most = max(self._logs)
        return most + log(sum(exp(each - most) for each in self._logs) / len(self._logs))

    def copy(self) -> Wealth:
        """Return one with the same history."""
        made = Wealth(self.tolerance)
        made.peak, made.known = self.peak, self.known
        made._logs, made._deferred = self._logs.copy(), self._deferred.copy()
        return made

    def learn(self, old_failed: int, old_total: int) -> None:
        """Take the old side's outcomes up to these counts as known: nothing is bet on them."""
        self.known = self.known._replace(old_failed=old_failed, old_total=old_total)

    def bet(self, counts: Counts) -> None:
        """Bet on the block up to these counts by what was known before it; a block without one of the sides waits."""
        if counts.old_total == self.known.old_total or counts.new_total == self.known.new_total:
            return
        self._deferred.append((self.known, counts))
        self.known = counts
        if counts.new_failed or len(self._deferred) == _DEFERRED:
            self.peak = max(self.peak, self.log_e)

    def _work_out(self) -> None:
        for before, after in self._deferred:
            block = tuple(map(sub, after, before))
            for strategy, (old_rate, new_rate) in enumerate(_expected(self.tolerance, before)):
                self._logs[strategy] += _gain(self.tolerance, old_rate, new_rate, *block)
        self._deferred.clear()


def _expected(tolerance: Tolerance, known: Counts) -> list[tuple[float, float]]:
    """The rates of both sides that each strategy expects."""
    old_rate, learned = expected_rates(tolerance, *known)
    tolerated = tolerance.ratio * old_rate + tolerance.extra
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
