"""When a canary gets the next of its steps: a rule without a clock, a database or a network.

The rule: on every signal, the comparison has judged enough requests to the canary since this step began, whichever one
tenant is left out (all count where all are one tenant's); and no signal has come half the way to its alarm, as its
e-value's logarithm goes. The first is the rule of `by_tenant` for counts: no single tenant raises a canary, as none
rolls one back. Why so many requests, and why half: deploy/decisions/0032.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from postil.registry.releases.step_plan import StepPlan

SUSPECTED = 0.5
"""How far on its way to the alarm a signal holds the canary where it is."""
# Of each slot of tenants, the requests to the candidate that were judged on each signal.
Judged = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class StepEvidence:
    """What a comparison has shown: ``judged`` requests since the step began, and ``suspicion`` since it began itself.

    ``suspicion`` is the way of the strongest ``signal`` to its alarm, from 0 to 1.
    """

    judged: int
    suspicion: float
    signal: str
    alarm: bool = False


class Wait(Enum):
    """What the next step waits for; ``NOTHING`` where it is due."""

    NOTHING = "nothing"
    LAST = "there is none"
    UNWATCHED = "a comparison"
    ALARM = "an alarm stands"
    SUSPICION = "a signal is suspicious"
    HELD = "a person"
    EVIDENCE = "requests"


def waits_for(plan: StepPlan, shown: StepEvidence | None, needed: int) -> Wait:
    """Return what the next step of a canary waits for; ``shown`` is None where nothing is compared."""
    if plan.next_weight is None:
        return Wait.LAST
    if shown is not None and shown.alarm:
        return Wait.ALARM
    if plan.held:
        return Wait.HELD
    if shown is None:
        return Wait.UNWATCHED
    if shown.suspicion >= SUSPECTED:
        return Wait.SUSPICION
    return Wait.EVIDENCE if shown.judged < needed else Wait.NOTHING


def standing(now: Judged, began: Judged, *, alone: bool) -> int:
    """Return how many requests were judged on every signal between two counts, whichever slot is left out.

    ``alone``: all are one tenant's, and all count. Slots that are new since ``began`` had none then.
    """
    added = [
        [after - (began[slot][signal] if slot < len(began) else 0) for signal, after in enumerate(counts)]
        for slot, counts in enumerate(now)
    ]
    sums = [sum(column) - (0 if alone else max(column)) for column in zip(*added, strict=True)]
    return min(sums, default=0)


def sentence(plan: StepPlan, shown: StepEvidence | None, needed: int) -> str:
    """Say what the next step waits for, for people."""
    judged = 0 if shown is None else min(shown.judged, needed)
    so_far = f"{judged:,} of {needed:,} requests are judged"
    match waits_for(plan, shown, needed):
        case Wait.LAST:
            return "this is the last step; promote the release, or end the canary"
        case Wait.ALARM:
            return "an alarm stands, so that no step is made"
        case Wait.HELD:
            return f"it is held; the next step is made by hand ({so_far})"
        case Wait.UNWATCHED:
            return "nothing is compared on this gateway now"
        case Wait.SUSPICION if shown is not None:
            return (
                f"{shown.signal} are {shown.suspicion:.0%} of the way to an alarm; from {SUSPECTED:.0%} on the next"
                " step is made by hand"
            )
        case Wait.EVIDENCE:
            return f"{so_far} on every signal, whichever tenant is left out"
    return "it is due"
