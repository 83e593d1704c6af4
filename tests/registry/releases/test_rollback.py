"""Promote and roll back: which release is live, which was before, and what is refused."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import SQLAlchemyError

from postil.plugins import ReleaseRef
from postil.registry.db import queries as store
from postil.registry.errors import ConflictError, NotFoundError
from postil.registry.names import AdapterName
from postil.registry.releases.service import Registry
from tests.registry.conftest import Publish

TRIAGE = AdapterName("healthcare", "triage")


@pytest.fixture
def three(registry: Registry, publish: Publish) -> Registry:
    """A registry with three releases, none of them live."""
    for seed in range(3):
        publish(seed=seed)
    return registry


def promote(registry: Registry, *numbers: int) -> None:
    """Make these live, one after the other."""
    for number in numbers:
        registry.promote(TRIAGE.release(number), reason=f"to {number}", actor="ann")


def roll_back(registry: Registry, to: int | None = None) -> None:
    """Roll back to a release, or to the one that was live before."""
    target = TRIAGE.release(to) if to else registry.rollback_target(TRIAGE)
    registry.rollback(target, reason="worse", actor="bob")


def live(registry: Registry) -> int | None:
    """The number that is live."""
    return registry.state(TRIAGE).live


def refusal(registry: Registry, action: str, number: int) -> str:
    """The sentence with which a move is refused, after which nothing has moved."""
    before = live(registry), len(registry.state(TRIAGE).events)
    with pytest.raises(ConflictError) as caught:
        getattr(registry, action)(TRIAGE.release(number), reason="", actor="ann")
    assert (live(registry), len(registry.state(TRIAGE).events)) == before
    return str(caught.value)


def test_the_first_promote_makes_a_release_live(three: Registry) -> None:
    channel = three.promote(TRIAGE.release(2), reason="why", actor="ann")
    assert (channel.name, channel.number, channel.revision) == ("stable", 2, 1)
    event = three.state(TRIAGE).events[-1]
    assert (event.actor, event.action, event.reason) == ("ann", "promote", "why")
    assert (event.before, event.after) == (None, 2)
    assert live(three) == 2


def test_every_move_says_from_where_to_where(three: Registry) -> None:
    promote(three, 1, 3)
    roll_back(three)
    moves = [(event.action, event.before, event.after) for event in three.state(TRIAGE).events[3:]]
    assert moves == [("promote", None, 1), ("promote", 1, 3), ("rollback", 3, 1)]


def test_a_channel_counts_its_moves_and_knows_when(three: Registry) -> None:
    promote(three, 1)
    with three.database.read() as session:
        first = store.channel(session, TRIAGE)
    promote(three, 2)
    with three.database.read() as session:
        second = store.channel(session, TRIAGE)
    assert first is not None
    assert second is not None
    assert (first.revision, second.revision) == (1, 2)
    assert first.moved_at <= second.moved_at


def test_an_older_release_can_be_promoted(three: Registry) -> None:
    promote(three, 3, 1)
    assert live(three) == 1


def test_roll_back_goes_to_the_one_that_was_live_before_and_not_to_the_number_below(three: Registry) -> None:
    promote(three, 1, 3)
    roll_back(three)
    assert live(three) == 1


def test_rolling_back_twice_goes_further_back(three: Registry) -> None:
    promote(three, 2, 1, 3)
    roll_back(three)
    assert live(three) == 1
    roll_back(three)
    assert live(three) == 2


def test_rolling_back_does_not_go_forward_again(three: Registry) -> None:
    promote(three, 1, 2)
    roll_back(three)
    with pytest.raises(ConflictError, match="no earlier live release"):
        roll_back(three)
    assert live(three) == 1


def test_after_a_roll_back_a_promote_begins_a_new_way(three: Registry) -> None:
    promote(three, 1, 2)
    roll_back(three)
    promote(three, 3)
    roll_back(three)
    assert live(three) == 1


def test_roll_back_to_a_named_release(three: Registry) -> None:
    promote(three, 1, 2, 3)
    roll_back(three, to=1)
    assert live(three) == 1
    with pytest.raises(ConflictError, match="no earlier live release"):
        roll_back(three)


@pytest.mark.parametrize("promoted", [[], [2]])
def test_there_is_nothing_to_roll_back_to(three: Registry, promoted: list[int]) -> None:
    promote(three, *promoted)
    with pytest.raises(ConflictError) as caught:
        three.rollback_target(TRIAGE)
    assert str(caught.value) == (
        "healthcare/triage has no earlier live release to go back to; promote another one instead"
    )


@pytest.mark.parametrize("action", ["promote", "rollback"])
def test_what_is_live_already_is_refused(three: Registry, action: str) -> None:
    promote(three, 1, 2)
    assert refusal(three, action, 2) == ("healthcare/triage@2 is live already; see `postil releases healthcare/triage`")


def test_what_never_was_live_is_not_rolled_back_to(three: Registry) -> None:
    promote(three, 1, 3)
    assert refusal(three, "rollback", 2) == (
        "healthcare/triage@2 was never live, so that nothing goes back to it; promote it instead"
    )


def test_what_was_rolled_back_from_is_not_rolled_back_to(three: Registry) -> None:
    promote(three, 1, 2, 3)
    roll_back(three, to=2)
    assert refusal(three, "rollback", 3) == (
        "healthcare/triage@3 went live only after the release that is live now; promote it instead"
    )
    promote(three, 3)
    assert live(three) == 3


@pytest.mark.parametrize("steps", [[1], [2, 1]])
def test_what_was_live_before_on_another_way_is_rolled_back_to(three: Registry, steps: list[int]) -> None:
    promote(three, 1, 2, 3)
    for number in steps:
        roll_back(three, to=number)
    promote(three, 3)
    roll_back(three, to=2)
    assert live(three) == 2
    # From there it goes on as it did when 2 was live: not to 3, which was left.
    assert three.rollback_target(TRIAGE) == TRIAGE.release(1)
    assert "went live only after" in refusal(three, "rollback", 3)


@pytest.mark.parametrize("action", ["promote", "rollback"])
@pytest.mark.parametrize(
    ("ref", "sentence"),
    [
        (TRIAGE.release(4), "there is no release healthcare/triage@4; healthcare/triage has 1, 2, 3"),
        (ReleaseRef("legal", "clause", 1), "there is no adapter legal/clause; publish it, or see "),
    ],
)
def test_what_is_unknown_is_refused(three: Registry, action: str, ref: ReleaseRef, sentence: str) -> None:
    promote(three, 1)
    with pytest.raises(NotFoundError) as caught:
        getattr(three, action)(ref, reason="", actor="ann")
    assert str(caught.value).startswith(sentence)
    assert live(three) == 1


def test_adapters_do_not_move_each_other(three: Registry, publish: Publish) -> None:
    publish("healthcare/notes")
    publish("healthcare/notes", seed=1)
    promote(three, 1, 2)
    notes = AdapterName("healthcare", "notes")
    three.promote(notes.release(2), reason="", actor="ann")
    assert (live(three), three.state(notes).live) == (2, 2)
    assert three.rollback_target(TRIAGE) == TRIAGE.release(1)
    with pytest.raises(ConflictError):
        three.rollback_target(notes)


def test_a_move_that_cannot_be_recorded_does_not_happen(three: Registry) -> None:
    promote(three, 1)
    with pytest.raises((SQLAlchemyError, ValueError, TypeError)):
        three.promote(TRIAGE.release(2), reason=None, actor="ann")  # type: ignore[arg-type]
    assert live(three) == 1
