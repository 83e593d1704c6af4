"""A release beside its predecessor: four signals, watched together, and an alarm that means something.

Each request of either release is judged on four counts: a validator failed it, the engine broke on it, a fallback was
served, it was slow. Each signal is a test of its own (`proportions`), and they share the chance of a false alarm
equally. What is promised: with a release that is no worse than tolerated on any signal, the probability that
a comparison *ever* finds anything is at most ``alpha``, however long it runs and however often it is looked at. (The
next comparison is a chance of its own.)

The promise holds for requests that are independent of each other given the release, fed in the order in which they
came (`arrivals`). The requests of one user are not: who asks the same thing a hundred times is counted a hundred times.
With a sticky canary such users sit on one side for good, and the sides differ a little although the releases do not.
The tolerance is there for that difference. It covers it where no few users make up much of the traffic, and not where
they do (figures: deploy/decisions/0006).

Not claimed: that a release is good because nothing was found; that the difference is as large as the counts of an
alarm say, for they are read at a bad moment; that the release is to blame and not who asked it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, log
from typing import TypeVar

from postil.gateway.control.analysis.betting import Proportions, Tolerance

ALPHA = 0.01
CALIBRATION = 200
QUANTILE = 0.95
LARGEST = 700.0
"""Of a logarithm, so that no e-value is too large to print."""
TOLERANCE = Tolerance()
# A canary's prefix cache is colder than its predecessor's, so that it is a little slower for no fault of its own.
SLOW_TOLERANCE = Tolerance(ratio=2.0)
VALIDATOR_FAILURES, ENGINE_ERRORS, FALLBACKS, SLOW_ANSWERS = SIGNALS = (
    "validator failures", "engine errors", "fallbacks", "slow answers",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one request: ``seconds`` it took as a whole, and the ``pace`` of requests meanwhile."""

    failed_validation: bool
    engine_error: bool
    fell_back: bool
    seconds: float
    pace: int = 0


@dataclass(frozen=True, slots=True)
class SignalState:
    """How one signal stands. The e-value begins at 1; ``threshold`` or more is a finding."""

    signal: str
    baseline_failures: int
    baseline_total: int
    candidate_failures: int
    candidate_total: int
    e_value: float
    threshold: float
    slow_after: float | None = None

    def __str__(self) -> str:
        """``validator failures: 34 of 120 against 5 of 1,030 before (e-value 812, alarm at 400)``."""
        limit = "" if self.slow_after is None else f" (over {self.slow_after:.3g} s)"
        new = f"{self.candidate_failures:,} of {self.candidate_total:,}"
        old = f"{self.baseline_failures:,} of {self.baseline_total:,}"
        value = f"{self.e_value:,.3g}" if self.e_value < 100 or self.e_value >= 1e6 else f"{self.e_value:,.0f}"
        return f"{self.signal}{limit}: {new} against {old} before (e-value {value}, alarm at {self.threshold:,.0f})"


@dataclass(frozen=True, slots=True)
class Evidence(SignalState):
    """The signal on which the new release is worse than tolerated. Its text is the reason to give."""


Kind = TypeVar("Kind", bound=SignalState)


class Comparison:
    """A release beside its predecessor, request by request.

    ``old`` and ``new`` take what was seen of one request each, and return the finding once there is one; nothing
    moves after that. A canary's predecessor answers beside it. A fresh stable's no longer does: feed ``old`` from what
    was recorded of it, each record once and some before each ``new``; where the records end, so does the evidence.
    """

    def __init__(
        self,
        *,
        alpha: float = ALPHA,
        tolerance: Tolerance = TOLERANCE,
        slow_tolerance: Tolerance = SLOW_TOLERANCE,
        calibration: int = CALIBRATION,
    ) -> None:
        """``alpha`` is for all signals together; the old release's first ``calibration`` requests say what is slow."""
        if not 0 < alpha < 1:
            raise ValueError(f"alpha is a probability of a false alarm, and {alpha} is not between 0 and 1")
        if calibration < 1:
            raise ValueError(f"what is slow cannot be told from {calibration} requests; take 1 or more, such as 200")
        self.threshold = len(SIGNALS) / alpha
        self.finding: Evidence | None = None
        self._log_threshold = log(self.threshold)
        self._invalid, self._errors, self._fallbacks = (Proportions(tolerance) for _ in range(3))
        self._slow = Proportions(slow_tolerance)
        self._tests = (self._invalid, self._errors, self._fallbacks, self._slow)
        self._calibration = calibration
        self._seconds: list[float] = []
        self.slow_after: float | None = None
        """Seconds beyond which a request is slow: the old release's 95th percentile; None until it is known."""

    def old(self, seen: Seen) -> Evidence | None:
        """One request of the predecessor."""
        if self.finding is not None:
            return self.finding
        self._invalid.old(seen.failed_validation)
        self._errors.old(seen.engine_error)
        self._fallbacks.old(seen.fell_back)
        if self.slow_after is None:
            self._calibrate(seen.seconds)
        else:
            self._slow.old(seen.seconds > self.slow_after)
        return self._look()

    def new(self, seen: Seen) -> Evidence | None:
        """One request of the release that is watched."""
        if self.finding is not None:
            return self.finding
        self._invalid.new(seen.failed_validation)
        self._errors.new(seen.engine_error)
        self._fallbacks.new(seen.fell_back)
        if self.slow_after is not None:
            self._slow.new(seen.seconds > self.slow_after)
        return self._look()

    def evidence(self) -> tuple[SignalState, ...]:
        """How every signal stands, for displays."""
        return tuple(self._stand(SignalState, signal, test) for signal, test in zip(SIGNALS, self._tests, strict=True))

    def _calibrate(self, seconds: float) -> None:
        """These requests set the threshold and are not tested against it: it would have been chosen to fit them."""
        self._seconds.append(seconds)
        if len(self._seconds) == self._calibration:
            self.slow_after = sorted(self._seconds)[ceil(QUANTILE * self._calibration) - 1]
            self._seconds.clear()

    def _look(self) -> Evidence | None:
        for test in self._tests:
            if test.log_e >= self._log_threshold:
                strongest = max(self._tests, key=lambda each: each.log_e)
                self.finding = self._stand(Evidence, SIGNALS[self._tests.index(strongest)], strongest)
                break
        return self.finding

    def _stand(self, kind: type[Kind], signal: str, test: Proportions) -> Kind:
        return kind(
            signal, test.old_failed, test.old_total, test.new_failed, test.new_total,
            exp(min(test.log_e, LARGEST)), self.threshold, self.slow_after if test is self._slow else None,
        )  # fmt: skip
