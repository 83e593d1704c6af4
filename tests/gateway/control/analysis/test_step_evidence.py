"""What a monitor has seen of a canary since its step began."""

from __future__ import annotations

from dataclasses import replace

from postil.gateway.control.analysis.comparison import CALIBRATION
from postil.registry.releases.channels import CANARY
from postil.registry.releases.step_plan import StepPlan
from tests.gateway.control.analysis.test_monitor import NAME, Watched
from tests.gateway.control.analysis.test_monitor import watched as watched

PLAN = StepPlan((5.0, 25.0, 50.0), 0, held=False, revision=1)


def stepped(watched: Watched, plan: StepPlan | None) -> None:
    """The canary's steps are these now."""
    before = watched.entry
    assert before is not None
    watched.entry = replace(before, steps=plan)
    watched.monitor.follow(watched.entry, before)


def judged(watched: Watched) -> int:
    """How many requests count for the next step."""
    found = watched.monitor.step_evidence(NAME)
    assert found is not None
    return found.judged


def test_without_a_canary_or_without_steps_there_is_none(watched: Watched) -> None:
    assert watched.monitor.step_evidence(NAME) is None
    watched.at(1, 2)
    assert watched.monitor.step_evidence(NAME) is None
    stepped(watched, PLAN)
    assert judged(watched) == 0
    stepped(watched, None)
    assert watched.monitor.step_evidence(NAME) is None


def test_a_step_counts_from_its_beginning_and_holding_it_takes_nothing_away(watched: Watched) -> None:
    watched.at(1, 2)
    watched.both(CALIBRATION, bad=False)
    stepped(watched, PLAN)
    watched.both(7, bad=False)
    assert judged(watched) == 7
    stepped(watched, replace(PLAN, held=True))
    assert judged(watched) == 7
    stepped(watched, replace(PLAN, step=1, revision=2))
    assert judged(watched) == 0
    watched.both(3, bad=False)
    assert judged(watched) == 3


def test_nothing_counts_before_it_is_known_what_is_slow(watched: Watched) -> None:
    watched.at(1, 2)
    stepped(watched, PLAN)
    watched.ask(2, CANARY, times=50)
    assert judged(watched) == 0
    watched.ask(1, times=CALIBRATION)
    watched.ask(2, CANARY, times=5)
    assert judged(watched) == 5


def test_what_is_judged_without_the_one_tenant_that_asks_is_nothing_where_others_use_the_adapter(
    watched: Watched,
) -> None:
    watched.at(1, 2)
    stepped(watched, PLAN)
    watched.both(CALIBRATION + 10, bad=False)
    assert judged(watched) > 0
    watched.monitor.used_by({NAME: ["clinic", "hospital"]})
    assert judged(watched) == 0


def test_an_alarm_stays_after_the_comparison_is_over(watched: Watched) -> None:
    watched.at(1, 2)
    stepped(watched, PLAN)
    watched.both(CALIBRATION, bad=True)
    found = watched.monitor.step_evidence(NAME)
    assert found is not None
    assert (found.alarm, found.suspicion, found.signal) == (True, 1.0, "validator failures")
