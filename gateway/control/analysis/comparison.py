"""Compares a release with its predecessor on four signals, with a bounded probability of a false alarm.

Each request of either release is checked for four signals: a validator failed, the engine failed, a fallback was
served, the answer was slow. Each signal is a test of its own, and they share the probability of a false alarm equally.
Evidence is weighed by tenant (`ByTenant`): a finding stands without the requests of any one tenant, unless all are one
tenant's. The guarantee: for a release that is within the tolerance on every signal, the probability that a comparison
*ever* finds a regression is at most ``alpha``, however long it runs and however often it is read. (The next comparison
has its own ``alpha``.) It holds against one tenant that tries: whatever it sends, and when. A tenant with two names is
two tenants.

The guarantee holds for requests that are independent of each other given the release, fed in order of arrival
(`Arrivals`). The requests of one user are not independent: a user who sends the same request a hundred times is counted
a hundred times. With a sticky canary such users stay on one side, so the sides differ a little although the releases do
not. The tolerance covers that difference, unless a few users make up much of the traffic (figures:
deploy/decisions/0006).

Not claimed: that a release is good because nothing was found; that the true difference is as large as the counts at an
alarm, because an alarm selects an extreme moment; that the release and not its users caused the difference.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, exp, log
from typing import TypeVar

from postil.gateway.control.analysis.betting import Tolerance
from postil.gateway.control.analysis.by_tenant import ByTenant

ALPHA = 0.01
CALIBRATION = 200
QUANTILE = 0.95
LARGEST = 700.0
"""Upper bound of a logarithm, so that every e-value can be printed."""
TOLERANCE = Tolerance()
# A canary's prefix cache is colder than its predecessor's, so the canary is a little slower through no fault of its
# own.
SLOW_TOLERANCE = Tolerance(ratio=2.0)
VALIDATOR_FAILURES, ENGINE_ERRORS, FALLBACKS, SLOW_ANSWERS = SIGNALS = (
    "validator failures", "engine errors", "fallbacks", "slow answers",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """The outcome of one tenant's request; ``seconds`` is its duration, ``pace`` the recent requests meanwhile."""

    failed_validation: bool
    engine_error: bool
    fell_back: bool
    seconds: float
    pace: int = 0
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class SignalState:
    """The state of one signal. The e-value starts at 1; at ``threshold`` or above it is a finding.

    It is the highest so far that stood without the requests of any one tenant; where all requests are one tenant's, the
    highest of that. ``tenants_affected`` of the ``tenants`` that asked the new release have seen the signal there.
    """

    signal: str
    baseline_failures: int
    baseline_total: int
    candidate_failures: int
    candidate_total: int
    e_value: float
    threshold: float
    slow_after: float | None = None
    tenants: int = 0
    tenants_affected: int = 0

    def __str__(self) -> str:
        """``validator failures: 34 of 120 against 5 of 1,030 before, seen by 3 of 4 tenants (e-value 812, ...)``."""
        limit = "" if self.slow_after is None else f" (over {self.slow_after:.3g} s)"
        new = f"{self.candidate_failures:,} of {self.candidate_total:,}"
        old = f"{self.baseline_failures:,} of {self.baseline_total:,}"
        value = f"{self.e_value:,.3g}" if self.e_value < 100 or self.e_value >= 1e6 else f"{self.e_value:,.0f}"
        seen_by = f"seen by {self.tenants_affected:,} of {self.tenants:,} tenants"
        alarm = f"(e-value {value}, alarm at {self.threshold:,.0f})"
        return f"{self.signal}{limit}: {new} against {old} before, {seen_by} {alarm}"


@dataclass(frozen=True, slots=True)
class Evidence(SignalState):
    """The signal on which the new release is worse than tolerated; its text is the reason for a rollback."""


Kind = TypeVar("Kind", bound=SignalState)


class Comparison:
    """Compares a release with its predecessor, request by request.

    ``old`` and ``new`` each take one request's outcome and return the finding, once there is one; after that nothing
    changes. A canary's predecessor serves traffic at the same time. A new stable's predecessor no longer does: feed
    ``old`` from its recorded requests, each once and some before each ``new``. When the records end, no more evidence
    is added.
    """

    def __init__(
        self,
        *,
        alpha: float = ALPHA,
        tolerance: Tolerance = TOLERANCE,
        slow_tolerance: Tolerance = SLOW_TOLERANCE,
        calibration: int = CALIBRATION,
    ) -> None:
        """``alpha`` covers all signals; the old release's first ``calibration`` requests set what counts as slow."""
        if not 0 < alpha < 1:
            raise ValueError(f"alpha is a probability of a false alarm, and {alpha} is not between 0 and 1")
        if calibration < 1:
            raise ValueError(f"what is slow cannot be told from {calibration} requests; take 1 or more, such as 200")
        self.threshold = len(SIGNALS) / alpha
        self.finding: Evidence | None = None
        self._log_threshold = log(self.threshold)
        self._by_tenant = ByTenant((tolerance, tolerance, tolerance, slow_tolerance))
        self._calibration = calibration
        self._seconds: list[float] = []
        self.slow_after: float | None = None
        """Seconds above which a request is slow: the old release's 95th percentile; None until it is known."""

    @property
    def alone(self) -> bool:
        """Whether all requests are one tenant's."""
        return self._by_tenant.alone

    def known(self, tenants: Iterable[str]) -> None:
        """Note tenants that use the adapter although none of their requests may be compared: none is alone then."""
        self._by_tenant.known(tenants)

    def old(self, seen: Seen) -> Evidence | None:
        """Add one request of the predecessor."""
        if self.finding is None:
            self._by_tenant.old(seen.tenant, self._shown(seen))
            if self.slow_after is None:
                self._calibrate(seen.seconds)
        return self.finding

    def new(self, seen: Seen) -> Evidence | None:
        """Add one request of the new release."""
        if self.finding is None and self._by_tenant.new(seen.tenant, self._shown(seen)):
            self._look()
        return self.finding

    def evidence(self) -> tuple[SignalState, ...]:
        """Return the state of every signal, for display."""
        return tuple(self._state(SignalState, signal) for signal in range(len(SIGNALS)))

    def judged(self) -> list[tuple[int, ...]]:
        """Return of each slot of tenants the requests to the new release that were judged on each signal."""
        return self._by_tenant.judged()

    def suspicion(self) -> tuple[float, str]:
        """Return how far the strongest signal is on its way to the alarm, from 0 to 1, and which it is."""
        strongest = max(range(len(SIGNALS)), key=self._by_tenant.log_e)
        return min(self._by_tenant.log_e(strongest) / self._log_threshold, 1.0), SIGNALS[strongest]

    def _shown(self, seen: Seen) -> tuple[bool, bool, bool, bool | None]:
        slow = None if self.slow_after is None else seen.seconds > self.slow_after
        return seen.failed_validation, seen.engine_error, seen.fell_back, slow

    def _calibrate(self, seconds: float) -> None:
        """Set the threshold from these requests. They are not tested against it, because it was fitted to them."""
        self._seconds.append(seconds)
        if len(self._seconds) == self._calibration:
            self.slow_after = sorted(self._seconds)[ceil(QUANTILE * self._calibration) - 1]
            self._seconds.clear()

    def _look(self) -> None:
        strongest = max(range(len(SIGNALS)), key=self._by_tenant.log_e)
        if self._by_tenant.log_e(strongest) >= self._log_threshold:
            self.finding = self._state(Evidence, strongest)

    def _state(self, kind: type[Kind], signal: int) -> Kind:
        tests = self._by_tenant
        old_failed, old_total, new_failed, new_total = tests.counts(signal)
        return kind(
            SIGNALS[signal], old_failed, old_total, new_failed, new_total,
            exp(min(tests.log_e(signal), LARGEST)), self.threshold,
            self.slow_after if SIGNALS[signal] == SLOW_ANSWERS else None,
            tests.tenants_asked(), tests.tenants_failed(signal),
        )  # fmt: skip
