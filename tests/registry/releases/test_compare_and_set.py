"""Changes that are made only if nobody else was faster: one wins, and the other is told who did."""

from __future__ import annotations

import threading

import pytest

from postil.registry.errors import ConflictError
from postil.registry.names import AdapterName
from postil.registry.releases import audit, channels
from postil.registry.releases.channels import ANY, CANARY, SHADOW, Precondition
from postil.registry.releases.service import Registry
from tests.registry.conftest import Publish
from tests.registry.releases.test_channels import clear, point, pointed, refusal

TRIAGE = AdapterName("healthcare", "triage")


@pytest.fixture
def three(registry: Registry, publish: Publish) -> Registry:
    """A registry with three releases, the first of them live."""
    for seed in range(3):
        publish(seed=seed)
    registry.promote(TRIAGE.release(1), reason="", actor="ann")
    return registry


@pytest.mark.parametrize(
    ("only", "holds"),
    [
        (Precondition(number=2), True),
        (Precondition(revision=1), True),
        (Precondition(number=2, revision=1), True),
        (Precondition(number=2, weight=10), True),
        (Precondition(canary=Precondition(number=2, weight=10)), True),
        (ANY, True),
        (Precondition(number=0), False),
        (Precondition(number=3), False),
        (Precondition(revision=0), False),
        (Precondition(revision=2), False),
        (Precondition(number=2, revision=2), False),
        (Precondition(number=3, revision=1), False),
        (Precondition(number=2, weight=20), False),
        (Precondition(number=2, canary=Precondition(number=3)), False),
    ],
)
def test_only_if_it_is_still_as_it_was_seen(three: Registry, only: Precondition, holds: bool) -> None:
    point(three, 2, 10)
    if holds:
        point(three, 3, 10, only=only)
        assert pointed(three) == (3, 10)
    else:
        refusal(three, ConflictError, lambda: point(three, 3, 10, only=only))
        refusal(three, ConflictError, lambda: clear(three, only=only))


def test_what_was_tried_on_some_traffic_is_promoted_only_if_it_is_tried_still(three: Registry) -> None:
    point(three, 2, 10)
    seen = Precondition(number=1, canary=Precondition(number=2, weight=10))
    point(three, 2, 50, actor="bob")
    assert "@2 at 50 per cent by now (canary by bob)" in refusal(three, ConflictError, lambda: promote(three, 2, seen))
    clear(three)
    assert "canary of healthcare/triage points to no release" in refusal(
        three, ConflictError, lambda: promote(three, 2, seen)
    )
    promote(three, 2, Precondition(number=1, canary=Precondition(number=0)))


def promote(registry: Registry, number: int, only: Precondition) -> None:
    """Promote a release of this adapter."""
    registry.promote(TRIAGE.release(number), reason="", actor="ann", only=only)


def test_a_channel_that_points_nowhere_is_seen_as_number_0(three: Registry) -> None:
    refusal(three, ConflictError, lambda: point(three, 2, only=Precondition(number=1)))
    point(three, 2, only=Precondition(number=0, revision=0))
    clear(three, only=Precondition(number=2))
    refusal(three, ConflictError, lambda: point(three, 2, only=Precondition(number=2)))
    point(three, 3, only=Precondition(number=0))
    assert pointed(three)[0] == 3


def test_the_refusal_names_who_moved_that_channel_and_not_who_moved_another(three: Registry) -> None:
    point(three, 2, 10, actor="bob")
    point(three, 3, 50, SHADOW, actor="eve")
    channels.pin(three.database, "clinic", TRIAGE.release(3), reason="", actor="eve")
    assert refusal(three, ConflictError, lambda: point(three, 3, only=Precondition(number=0))) == (
        "canary of healthcare/triage points to healthcare/triage@2 by now (canary by bob); look at it and decide again"
    )
    sentence = refusal(
        three,
        ConflictError,
        lambda: three.promote(TRIAGE.release(3), reason="", actor="bob", only=Precondition(revision=0)),
    )
    assert "stable of healthcare/triage points to healthcare/triage@1 by now (promote by ann)" in sentence
    clear(three, actor="cat")
    assert "points to no release by now (canary-end by cat)" in refusal(
        three, ConflictError, lambda: point(three, 3, only=Precondition(number=2))
    )


def test_what_nobody_has_moved_yet_names_nobody(three: Registry) -> None:
    assert refusal(three, ConflictError, lambda: point(three, 2, only=Precondition(revision=4))) == (
        "canary of healthcare/triage points to no release by now; look at it and decide again"
    )


def test_of_two_at_once_one_wins_and_the_other_is_told(three: Registry) -> None:
    start, told = threading.Barrier(2), list[str]()

    def act(number: int) -> None:
        start.wait()
        try:
            point(three, number, actor=f"person {number}", only=Precondition(number=0))
        except ConflictError as error:
            told.append(str(error))

    threads = [threading.Thread(target=act, args=(number,)) for number in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner = pointed(three)[0]
    assert told == [
        f"canary of healthcare/triage points to healthcare/triage@{winner} by now (canary by person {winner}); "
        "look at it and decide again"
    ]
    assert [event.action for event in three.state(TRIAGE).events].count(CANARY) == 1
    assert audit.verify(three.database).first_break is None


@pytest.mark.parametrize("action", ["promote", "rollback"])
def test_stable_is_moved_only_if_it_is_still_as_it_was_seen(three: Registry, action: str) -> None:
    three.promote(TRIAGE.release(2), reason="", actor="bob")
    target, move = TRIAGE.release(1), getattr(three, action)
    for only in (
        Precondition(number=1),
        Precondition(revision=1),
        Precondition(number=2, revision=1),
        Precondition(number=0),
    ):
        sentence = refusal(
            three,
            ConflictError,
            lambda only=only: move(target, reason="", actor="ann", only=only),  # type: ignore[misc]
        )
        assert sentence == (
            "stable of healthcare/triage points to healthcare/triage@2 by now (promote by bob); "
            "look at it and decide again"
        )
    move(target, reason="", actor="ann", only=Precondition(number=2, revision=2))
    assert three.state(TRIAGE).live == 1
