"""The steps of a canary: which shares there may be, and where one is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from postil.registry.db.canary_tables import CanarySteps
from postil.registry.db.tables import Channel
from postil.registry.errors import StepsError, WeightError

MOST_STEPS = 10
_STABLE, _CANARY = "stable", "canary"


@dataclass(frozen=True, slots=True)
class StepPlan:
    """The shares that a canary goes through, in per cent, and the place of the one that it has, from 0.

    ``revision`` is that of the canary at this step: it is another one after any move. ``held`` steps are made by hand.
    """

    steps: tuple[float, ...]
    step: int
    held: bool
    revision: int

    @property
    def weight(self) -> float:
        """The share of this step."""
        return self.steps[self.step]

    @property
    def next_weight(self) -> float | None:
        """The share of the next step; None at the last one."""
        return self.steps[self.step + 1] if self.step + 1 < len(self.steps) else None


def check_steps(steps: Sequence[float]) -> list[float]:
    """Return the shares of a canary's steps. Raises WeightError or StepsError unless they rise from 0 to below 100."""
    if not 1 <= len(steps) <= MOST_STEPS:
        raise WeightError(f"a canary has 1 to {MOST_STEPS} steps, not {len(steps)}; give some such as 5,25,50")
    for step in steps:
        # So written that what is no number is refused too.
        if not 0 < step < 100:
            raise WeightError(
                f"a step of {step:g} per cent cannot be; give more than 0 and less than 100, and promote the release"
                " for all"
            )
    for before, after in pairwise(steps):
        if not before < after:
            raise StepsError(f"steps have to rise, and {after:g} per cent comes after {before:g}")
    return [float(step) for step in steps]


def plan_in_force(row: CanarySteps | None, channels: Mapping[str, Channel]) -> StepPlan | None:
    """Return the steps of an adapter's canary; None where it has none, or where a channel has moved since."""
    canary, stable = channels.get(_CANARY), channels.get(_STABLE)
    if row is None or canary is None or stable is None:
        return None
    if (row.canary_revision, row.stable_revision) != (canary.revision, stable.revision):
        return None
    return StepPlan(tuple(row.steps), row.step, row.held, canary.revision)
