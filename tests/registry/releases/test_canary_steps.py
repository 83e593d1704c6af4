"""Canaries in steps: what each act changes, what ends the steps, what is refused, and what the log says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from postil.registry.errors import ConflictError, NotFoundError, RegistryError, StepsError
from postil.registry.releases import audit, channels, freeze
from postil.registry.releases.canary_steps import advance, begin_steps, hold_steps
from postil.registry.releases.channels import ANY, CANARY, Precondition
from postil.registry.releases.retire import retire_adapter
from postil.registry.releases.service import Registry
from postil.registry.releases.step_plan import StepPlan
from postil.registry.releases.yank import yank
from tests.registry.conftest import Publish
from tests.registry.releases.test_channels import TRIAGE, clear, last, point, pointed, refusal, said

STEPS = (5.0, 25.0, 50.0)


@pytest.fixture
def three(registry: Registry, publish: Publish) -> Registry:
    """A registry with three releases, the first of them live, and the second a canary in steps."""
    for seed in range(3):
        publish(seed=seed)
    registry.promote(TRIAGE.release(1), reason="", actor="ann")
    begin(registry)
    return registry


def begin(registry: Registry, number: int = 2, *, only: Precondition = ANY, hold: bool = False) -> None:
    """Make a release the canary in steps."""
    begin_steps(
        registry.database, TRIAGE.release(number), STEPS, reason="slowly", actor="ann", hold=hold, only=only
    )  # fmt: skip


def raised(registry: Registry, number: int = 2, **more: Any) -> None:
    """Make the next step."""
    advance(registry.database, TRIAGE.release(number), **{"reason": "good", "actor": "postil", **more})


def hold(registry: Registry, number: int = 2, *, held: bool = True, only: Precondition = ANY) -> None:
    """Hold the canary, or let it go on."""
    hold_steps(registry.database, TRIAGE.release(number), held=held, reason="wait", actor="bob", only=only)


def plan(registry: Registry) -> StepPlan | None:
    """The steps of the canary."""
    return registry.state(TRIAGE).steps


def at(registry: Registry) -> tuple[int, bool]:
    """The step that the canary is at, and whether it is held."""
    found = plan(registry)
    assert found is not None
    assert (found.steps, found.weight) == (STEPS, pointed(registry)[1])
    return found.step, found.held


def test_a_canary_begins_with_its_first_step_and_the_log_has_all(three: Registry) -> None:
    assert (pointed(three), at(three)) == ((2, 5), (0, False))
    details = {"weight": 5, "steps": [5, 25, 50], "step": 1, "held": False}
    assert said(last(three)) == (CANARY, None, 2, details)


def test_each_step_is_an_event_with_its_figures_until_the_last(three: Registry) -> None:
    raised(three, by_evidence=True, details={"evidence": {"judged": 200}})
    details = {"weight": 25, "steps": [5, 25, 50], "step": 2, "evidence": {"judged": 200}}
    assert said(last(three)) == (CANARY, 2, 2, details)
    assert (last(three).actor, last(three).reason) == ("postil", "good")
    raised(three)
    assert (pointed(three), at(three)) == ((2, 50), (2, False))
    said_last = refusal(three, ConflictError, lambda: raised(three))
    assert said_last == f"{TRIAGE}@2 is at its last step, 50 per cent; promote it, or end the canary"
    report = audit.verify(three.database)
    assert (report.first_break, report.differences) == (None, [])


def test_who_holds_a_canary_makes_its_steps_and_evidence_does_not(three: Registry) -> None:
    hold(three)
    assert (said(last(three)), at(three)) == (("canary-hold", 2, 2, {"weight": 5}), (0, True))
    assert "is held at 5 per cent" in refusal(three, ConflictError, lambda: raised(three, by_evidence=True))
    assert "is held already" in refusal(three, ConflictError, lambda: hold(three))
    raised(three)
    assert at(three) == (1, True)
    hold(three, held=False)
    assert (said(last(three))[0], at(three)) == ("canary-continue", (1, False))
    assert "is not held" in refusal(three, ConflictError, lambda: hold(three, held=False))
    raised(three, by_evidence=True)
    assert at(three) == (2, False)


def test_steps_may_be_held_from_the_beginning_and_begun_anew_with_others(three: Registry) -> None:
    begin(three, 3, hold=True)
    assert (pointed(three), at(three)) == ((3, 5), (0, True))
    again = refusal(three, ConflictError, lambda: begin(three, 3))
    assert "goes through these steps already, at 5 per cent" in again
    begin_steps(three.database, TRIAGE.release(3), [10, 20], reason="", actor="ann")
    assert plan(three) == StepPlan((10.0, 20.0), 0, False, three.state(TRIAGE).channels[CANARY].revision)


def test_a_plain_canary_gets_steps_from_its_own_share_on(three: Registry) -> None:
    clear(three)
    point(three, 2, 5)
    assert plan(three) is None
    begin(three)
    assert (pointed(three), at(three)) == ((2, 5), (0, False))


ENDS: dict[str, Callable[[Registry], object]] = {
    "another weight": lambda registry: point(registry, 2, 25),
    "another canary": lambda registry: point(registry, 3, 5),
    "the end of the canary": clear,
    "its promotion": lambda registry: registry.promote(TRIAGE.release(2), reason="", actor="ann"),
    "another promotion": lambda registry: registry.promote(TRIAGE.release(3), reason="", actor="ann"),
    "its yank": lambda registry: yank(registry.database, TRIAGE.release(2), reason="bad", actor="postil"),
    "the yank of what is live": lambda registry: yank(
        registry.database, TRIAGE.release(1), reason="bad", actor="ann"
    ),
    "a freeze": lambda registry: freeze.freeze(registry.database, "healthcare", reason="an incident", actor="ann"),
}  # fmt: skip


@pytest.mark.parametrize("what", ENDS)
def test_what_moves_the_canary_or_what_is_live_ends_the_steps(three: Registry, what: str) -> None:
    ENDS[what](three)
    assert plan(three) is None
    with pytest.raises(RegistryError):
        raised(three)
    with pytest.raises(RegistryError):
        hold(three)
    assert audit.verify(three.database).differences == []


def test_a_rollback_ends_the_steps_of_the_canary_beside_it(three: Registry) -> None:
    three.promote(TRIAGE.release(3), reason="", actor="ann")
    begin(three)
    three.rollback(TRIAGE.release(1), reason="", actor="ann")
    assert (plan(three), pointed(three)) == (None, (2, 5))


def test_a_freeze_says_so_for_each_adapter_and_unfreezing_brings_no_steps_back(
    three: Registry, publish: Publish
) -> None:
    freeze.freeze(three.database, "healthcare", reason="an incident", actor="ann")
    assert said(last(three)) == ("canary-steps-end", 2, 2, {"weight": 5})
    assert last(three).reason == "healthcare was frozen"
    assert "is frozen" in refusal(three, ConflictError, lambda: begin(three))
    freeze.unfreeze(three.database, "healthcare", reason="", actor="ann")
    assert (plan(three), pointed(three)) == (None, (2, 5))


def test_steps_that_had_ended_are_not_told_of_by_a_freeze(three: Registry) -> None:
    point(three, 2, 30)
    freeze.freeze(three.database, "healthcare", reason="an incident", actor="ann")
    assert last(three).action == CANARY


def test_of_two_that_saw_the_same_step_one_makes_the_next(three: Registry) -> None:
    seen, outcomes, gate = three.state(TRIAGE).steps, list[str](), threading.Barrier(4)
    assert seen is not None

    def gateway() -> None:
        gate.wait()
        try:
            raised(three, only=Precondition(revision=seen.revision), by_evidence=True)
            outcomes.append("made")
        except ConflictError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=gateway) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (outcomes.count("made"), at(three)) == (1, (1, False))
    others = {each for each in outcomes if each != "made"}
    assert len(others) == 1
    assert "points to healthcare/triage@2 by now (canary by postil)" in others.pop()


def test_an_old_page_neither_steps_nor_holds(three: Registry) -> None:
    seen = Precondition(number=2, weight=5)
    raised(three, only=seen)
    assert "at 25 per cent by now" in refusal(three, ConflictError, lambda: raised(three, only=seen))
    assert "at 25 per cent by now" in refusal(three, ConflictError, lambda: hold(three, only=seen))
    assert "by now" in refusal(three, ConflictError, lambda: begin(three, 3, only=seen))


def test_what_cannot_be_is_refused_in_a_sentence(three: Registry) -> None:
    assert refusal(three, ConflictError, lambda: raised(three, 3)).startswith(
        f"the canary of {TRIAGE} is {TRIAGE}@2, not {TRIAGE}@3"
    )
    assert "no release healthcare/triage@9" in refusal(three, NotFoundError, lambda: raised(three, 9))
    assert f"{TRIAGE}@1 is live already" in refusal(three, ConflictError, lambda: begin(three, 1))
    refusal(three, NotFoundError, lambda: begin(three, 9))
    begin_bad = lambda: begin_steps(three.database, TRIAGE.release(3), [5, 5], reason="", actor="ann")  # noqa: E731
    assert "steps have to rise" in refusal(three, StepsError, begin_bad)
    yank(three.database, TRIAGE.release(3), reason="harmful", actor="ann")
    assert "was yanked: harmful" in refusal(three, ConflictError, lambda: begin(three, 3))
    retire_adapter(three.database, TRIAGE, reason="", actor="ann")
    assert "is retired" in refusal(three, ConflictError, lambda: raised(three))


def test_without_a_canary_or_without_steps_it_is_said_how_to_begin(three: Registry) -> None:
    point(three, 2, 30)
    assert "--steps 5,25,50" in refusal(three, ConflictError, lambda: raised(three))
    channels.clear(three.database, TRIAGE, CANARY, reason="", actor="ann")
    assert "has no canary" in refusal(three, NotFoundError, lambda: hold(three))
