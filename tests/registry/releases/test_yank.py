"""Releases that do harm are taken back, whatever points to them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from postil.registry.db.audit_chain import first_break
from postil.registry.db.tables import Release, utcnow
from postil.registry.errors import ConflictError, NotFoundError, TextError
from postil.registry.names import AdapterName
from postil.registry.policy.policy import Policy, policy_from
from postil.registry.releases import channels, history
from postil.registry.releases.channels import CANARY, SHADOW, Precondition
from postil.registry.releases.retire import retire_release
from postil.registry.releases.service import Registry
from postil.registry.releases.state import AdapterState
from postil.registry.releases.yank import unyank, yank
from tests.fakes.adapters import write_adapter
from tests.registry.conftest import Publish

TRIAGE = AdapterName("healthcare", "triage")


@pytest.fixture
def three(registry: Registry, publish: Publish) -> Registry:
    """Three releases, each of them promoted in turn."""
    for seed in range(3):
        publish(seed=seed)
        registry.promote(TRIAGE.release(seed + 1), reason="", actor="ann")
    return registry


def yanked(registry: Registry, number: int, **how: int) -> AdapterState:
    yank(registry.database, TRIAGE.release(number), reason="it harms", actor="ann", **how)  # type: ignore[arg-type]
    return registry.state(TRIAGE)


def ways(registry: Registry, number: int) -> list[Callable[[], object]]:
    """Every way to have a release answer somebody."""
    ref = TRIAGE.release(number)
    return [
        lambda: registry.promote(ref, reason="", actor="ann"),
        lambda: registry.rollback(ref, reason="", actor="ann"),
        lambda: registry.usable(ref),
        lambda: channels.point(registry.database, ref, CANARY, 5, reason="", actor="ann"),
        lambda: channels.point(registry.database, ref, SHADOW, 5, reason="", actor="ann"),
        lambda: channels.pin(registry.database, "clinic", ref, reason="", actor="ann"),
    ]


def test_a_yanked_release_can_be_made_to_answer_in_no_way_and_the_refusal_says_why(three: Registry) -> None:
    yanked(three, 1)
    for way in ways(three, 1):
        with pytest.raises(ConflictError, match="was yanked: it harms"):
            way()


def test_yanking_the_live_release_rolls_back_in_the_same_transaction(three: Registry) -> None:
    state = yanked(three, 3)
    assert (state.live, state.previous) == (2, 1)
    actions = [(event.action, event.before, event.after, event.reason) for event in state.events[-2:]]
    assert actions == [("yank", 3, None, "it harms"), ("rollback", 3, 2, "it harms")]
    assert first_break(history.log(three.database)) is None


def test_no_rollback_restores_a_yanked_release(three: Registry) -> None:
    state = yanked(three, 2)
    assert (state.live, state.previous, state.yanked) == (3, 1, frozenset({2}))
    assert three.rollback_target(TRIAGE) == TRIAGE.release(1)


def test_the_way_back_passes_by_what_is_retired_too(three: Registry) -> None:
    retire_release(three.database, TRIAGE.release(2), reason="", actor="ann")
    assert yanked(three, 3).live == 1


def test_whoever_yanks_may_say_what_is_live_then_if_it_was_live_before(three: Registry, publish: Publish) -> None:
    publish(seed=7)
    with pytest.raises(ConflictError, match="was never live"):
        yanked(three, 3, to=4)
    assert three.state(TRIAGE).live == 3
    assert yanked(three, 3, to=1).live == 1


def test_another_live_release_is_refused_where_the_yanked_one_is_not_live(three: Registry) -> None:
    with pytest.raises(ConflictError, match="is not live"):
        yanked(three, 1, to=2)


def test_yanking_the_only_live_release_leaves_none_and_the_past_is_told_right(
    registry: Registry, publish: Publish
) -> None:
    publish()
    registry.promote(TRIAGE.release(1), reason="", actor="ann")
    lived = utcnow()
    state = yanked(registry, 1)
    assert (state.live, state.previous) == (None, None)
    assert [one.number for one in history.live_at(registry.database, lived).items] == [1]
    assert history.live_at(registry.database, utcnow()).items == []
    number = publish(seed=3, policy=Policy())
    registry.promote(TRIAGE.release(number), reason="", actor="ann")
    assert registry.state(TRIAGE).live == number


@pytest.mark.parametrize("which", [CANARY, SHADOW])
def test_yanking_a_canary_or_shadow_ends_it(three: Registry, which: str) -> None:
    channels.point(three.database, TRIAGE.release(1), which, 5, reason="", actor="ann")
    state = yanked(three, 1)
    assert (state.live, state.pointed(which)) == (3, None)


def test_the_release_that_is_live_afterwards_is_no_canary_any_more(three: Registry) -> None:
    channels.point(three.database, TRIAGE.release(2), CANARY, 5, reason="", actor="ann")
    state = yanked(three, 3)
    assert (state.live, state.pointed(CANARY)) == (2, None)


def test_a_yank_needs_a_reason(three: Registry) -> None:
    with pytest.raises(TextError, match="the reason is missing"):
        yank(three.database, TRIAGE.release(1), reason=" ", actor="ann")


def test_a_yank_by_somebody_who_saw_another_state_changes_nothing(three: Registry) -> None:
    with pytest.raises(ConflictError, match="by now"):
        yank(three.database, TRIAGE.release(2), reason="x", actor="postil", only=Precondition(number=2))
    assert three.release(TRIAGE.release(2)).yanked_at is None


def test_a_release_is_yanked_once_and_has_to_exist(three: Registry) -> None:
    yanked(three, 1)
    with pytest.raises(ConflictError, match="yanked already: it harms"):
        yanked(three, 1)
    with pytest.raises(NotFoundError):
        yanked(three, 9)


def test_a_yank_that_is_taken_back_leaves_the_live_release_alone(three: Registry) -> None:
    yanked(three, 3)
    unyank(three.database, TRIAGE.release(3), reason="false alarm", actor="bob")
    state = three.state(TRIAGE)
    assert (state.live, state.events[-1].action, state.events[-1].after) == (2, "unyank", 3)
    assert three.release(TRIAGE.release(3)).yank_reason == ""
    three.promote(TRIAGE.release(3), reason="", actor="bob")
    with pytest.raises(ConflictError, match="is not yanked"):
        unyank(three.database, TRIAGE.release(3), reason="", actor="bob")


def publish_with(registry: Registry, folder: Path, policy: Policy | None, *, seed: int) -> Release:
    """Publish other weights for each seed."""
    return registry.publish(write_adapter(folder, seed=seed), TRIAGE, policy, note="", actor="ann")[0]


def test_a_publish_without_a_policy_takes_none_of_a_yanked_release(registry: Registry, tmp_path: Path) -> None:
    good, harmful = policy_from({"system_prompt": "Sort."}), policy_from({"system_prompt": "Lie."})
    publish_with(registry, tmp_path / "1", good, seed=1)
    publish_with(registry, tmp_path / "2", harmful, seed=2)
    yank(registry.database, TRIAGE.release(2), reason="harmful", actor="ann")
    assert policy_from(publish_with(registry, tmp_path / "3", None, seed=3).policy) == good
    for number in (1, 3):
        yank(registry.database, TRIAGE.release(number), reason="harmful", actor="ann")
    with pytest.raises(ConflictError, match="all releases of healthcare/triage were yanked, and their policies with"):
        publish_with(registry, tmp_path / "4", None, seed=4)
    assert publish_with(registry, tmp_path / "named", good, seed=4).number == 4
