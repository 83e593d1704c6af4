"""The test of two proportions before evidence was weighed by tenant: one product over all requests, one strategy."""

from __future__ import annotations

from postil.gateway.control.analysis.betting import Tolerance, place_bet

BLOCK = 128
"""The most outcomes of one side in a block; further outcomes update the rates but are not bet on."""
# Prior: the old side fails one time in eleven, the new side at twice the odds of what is then tolerated.
PRIOR_FAILED, PRIOR_PASSED = 0.5, 5.0
ODDS = 2.0


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
