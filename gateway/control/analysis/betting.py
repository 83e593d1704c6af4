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

Assumed: outcomes are independent of each other given the release, and neither the sizes of the blocks nor the order of
outcomes depends on them (`Arrivals` ensures that). Not assumed: that rates stay as they are. They may drift from block
to block, and what hits both sides alike, such as a hanging engine, is no evidence: a block whose new side
failed no more often than tolerated never adds any.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log1p
from typing import NamedTuple

BLOCK = 128
"""The most outcomes of one side in a block; further outcomes update the rates but are not bet on."""
# Prior: the old side fails one time in eleven, the new side at twice the odds of what is then tolerated. Both priors
# weigh half a failure, so data soon outweighs them; they hardly change when a regression is detected.
PRIOR_FAILED, PRIOR_PASSED = 0.5, 5.0
ODDS = 2.0
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


class Proportions:
    """One comparison of two failure rates.

    ``log_e`` is the natural logarithm of the evidence that the new side is worse than tolerated; it starts at 0 and
    moves when a block closes: at the first moment when both sides have an outcome in it.
    """

    __slots__ = (
        "_new_failed", "_new_size", "_old_failed", "_old_size",
        "log_e", "new_failed", "new_total", "old_failed", "old_total", "tolerance",
    )  # fmt: skip

    def __init__(self, tolerance: Tolerance) -> None:
        self.tolerance = tolerance
        self.log_e = 0.0
        self.old_failed = self.old_total = self.new_failed = self.new_total = 0
        self._old_failed = self._old_size = self._new_failed = self._new_size = 0

    def old(self, failed: bool) -> None:
        """Add one outcome of the old side."""
        self.old_total += 1
        self.old_failed += failed
        if self._old_size < BLOCK:
            self._old_size += 1
            self._old_failed += failed
        if self._new_size:
            self._close()

    def new(self, failed: bool) -> None:
        """Add one outcome of the new side."""
        self.new_total += 1
        self.new_failed += failed
        if self._new_size < BLOCK:
            self._new_size += 1
            self._new_failed += failed
        if self._old_size:
            self._close()

    def _close(self) -> None:
        """Bet on the open block with what was known before it, then open the next block."""
        old_size, old_failed, new_size, new_failed = self._old_size, self._old_failed, self._new_size, self._new_failed
        self._old_size = self._old_failed = self._new_size = self._new_failed = 0
        old_rate, new_rate = expected_rates(
            self.tolerance, self.old_failed - old_failed, self.old_total - old_size,
            self.new_failed - new_failed, self.new_total - new_size,
        )  # fmt: skip
        bet = place_bet(self.tolerance, old_rate, new_rate, old_size, new_size)
        if bet is not None:
            self.log_e += bet.log_gain(old_failed, old_size - old_failed, new_failed, new_size - new_failed)
