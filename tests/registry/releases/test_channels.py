"""Canary and shadow: where they point, what is refused, and what the log says of each move."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from postil.plugins import ReleaseRef
from postil.registry.db import queries as store
from postil.registry.db.tables import Channel, Event, utcnow
from postil.registry.errors import ConflictError, NotFoundError, RegistryError, WeightError
from postil.registry.names import AdapterName
from postil.registry.releases import channels, history
from postil.registry.releases.channels import ANY, CANARY, SHADOW, Precondition
from postil.registry.releases.service import Registry
from tests.registry.conftest import Publish

TRIAGE = AdapterName("healthcare", "triage")
BOTH = pytest.mark.parametrize("which", [CANARY, SHADOW])


@pytest.fixture
def three(registry: Registry, publish: Publish) -> Registry:
    """A registry with three releases, the first of them live."""
    for seed in range(3):
        publish(seed=seed)
    registry.promote(TRIAGE.release(1), reason="", actor="ann")
    return registry


def point(
    registry: Registry,
    number: int,
    weight: float = 10,
    which: str = CANARY,
    *,
    reason: str = "",
    actor: str = "ann",
    only: Precondition = ANY,
) -> None:
    """Make a release the canary or the shadow."""
    channels.point(registry.database, TRIAGE.release(number), which, weight, reason=reason, actor=actor, only=only)


def clear(registry: Registry, which: str = CANARY, **more: Any) -> None:
    """End the canary or the shadow."""
    channels.clear(registry.database, TRIAGE, which, **{"reason": "", "actor": "ann", **more})


def pointed(registry: Registry, which: str = CANARY) -> tuple[int | None, float]:
    """Where a channel points, and its weight."""
    state = registry.state(TRIAGE)
    return state.pointed(which), state.channels[which].weight if which in state.channels else 0


def last(registry: Registry) -> Event:
    """The last event of the adapter."""
    return registry.state(TRIAGE).events[-1]


def said(event: Event) -> tuple[str, int | None, int | None, dict[str, Any]]:
    """What an event says was done."""
    return event.action, event.before, event.after, event.details


def refusal(registry: Registry, kind: type[RegistryError], act: Callable[[], object]) -> str:
    """The sentence with which an act is refused, after which nothing has changed."""
    before = registry.state(TRIAGE)
    with pytest.raises(kind) as caught:
        act()
    after = registry.state(TRIAGE)
    assert (after.channels, after.pins, after.events) == (before.channels, before.pins, before.events)
    return str(caught.value)


@BOTH
def test_a_channel_points_where_it_is_told_and_the_log_says_who_and_why(three: Registry, which: str) -> None:
    point(three, 2, 12.5, which, reason="try it", actor="bob")
    assert pointed(three, which) == (2, 12.5)
    event = last(three)
    assert said(event) == (which, None, 2, {"weight": 12.5})
    assert (event.actor, event.reason, event.subject) == ("bob", "try it", str(TRIAGE))
    assert three.state(TRIAGE).live == 1


@BOTH
def test_another_release_takes_the_place_of_the_first(three: Registry, which: str) -> None:
    point(three, 2, 10, which)
    point(three, 3, 20, which)
    assert pointed(three, which) == (3, 20)
    assert said(last(three)) == (which, 2, 3, {"weight": 20})


@BOTH
def test_the_weight_alone_can_be_changed(three: Registry, which: str) -> None:
    point(three, 2, 10, which)
    point(three, 2, 50, which)
    assert pointed(three, which) == (2, 50)
    assert said(last(three)) == (which, 2, 2, {"weight": 50})
    assert three.state(TRIAGE).channels[which].revision == 2


@BOTH
def test_the_same_weight_again_is_told_to_be_so_already(three: Registry, which: str) -> None:
    point(three, 2, 10, which)
    assert refusal(three, ConflictError, lambda: point(three, 2, 10, which)) == (
        f"healthcare/triage@2 is the {which} at 10 per cent already; see `postil status`"
    )


@BOTH
def test_an_ended_channel_points_nowhere_and_says_what_it_was(three: Registry, which: str) -> None:
    point(three, 2, 30, which)
    clear(three, which, reason="enough", actor="bob", details={"finding": {"signal": "slow"}})
    assert pointed(three, which) == (None, 30)
    event = last(three)
    assert said(event) == (f"{which}-end", 2, None, {"weight": 30, "finding": {"signal": "slow"}})
    assert (event.actor, event.reason) == ("bob", "enough")


@BOTH
def test_what_is_not_there_cannot_be_ended(three: Registry, which: str) -> None:
    sentence = f"healthcare/triage has no {which}; see `postil status`"
    assert refusal(three, NotFoundError, lambda: clear(three, which)) == sentence
    point(three, 2, 10, which)
    clear(three, which)
    assert refusal(three, NotFoundError, lambda: clear(three, which)) == sentence


def test_after_its_end_a_canary_can_begin_again_as_it_was(three: Registry) -> None:
    point(three, 2, 10)
    clear(three)
    point(three, 2, 10)
    assert pointed(three) == (2, 10)
    assert three.state(TRIAGE).channels[CANARY].revision == 3


def test_canary_and_shadow_do_not_move_each_other(three: Registry) -> None:
    point(three, 2, 10, CANARY)
    point(three, 3, 100, SHADOW)
    clear(three, CANARY)
    assert (pointed(three, CANARY)[0], pointed(three, SHADOW)) == (None, (3, 100))


@pytest.mark.parametrize("weight", [0, -1, 100.5, 1e9, math.nan, math.inf, -math.inf])
def test_a_weight_that_is_no_share_is_refused(three: Registry, weight: float) -> None:
    sentence = refusal(three, WeightError, lambda: point(three, 2, weight))
    assert sentence == f"a weight of {weight:g} per cent cannot be; give more than 0 and at most 100"


@pytest.mark.parametrize("weight", [0.001, 100])
def test_a_weight_from_above_nothing_to_all_is_taken(three: Registry, weight: float) -> None:
    point(three, 2, weight)
    assert pointed(three) == (2, weight)


@BOTH
def test_what_is_live_is_not_tried_beside_itself(three: Registry, which: str) -> None:
    assert refusal(three, ConflictError, lambda: point(three, 1, 10, which)) == (
        f"healthcare/triage@1 is live already; choose another release as {which}"
    )


@BOTH
def test_without_a_live_release_nothing_is_tried_beside_it(registry: Registry, publish: Publish, which: str) -> None:
    publish()
    assert refusal(registry, ConflictError, lambda: point(registry, 1, 10, which)) == (
        f"healthcare/triage has no live release to put a {which} beside; promote one first"
    )


@pytest.mark.parametrize(
    ("ref", "sentence"),
    [
        (TRIAGE.release(4), "there is no release healthcare/triage@4; healthcare/triage has 1, 2, 3"),
        (ReleaseRef("legal", "clause", 1), "there is no adapter legal/clause; publish it, or see "),
    ],
)
def test_what_is_unknown_is_refused(three: Registry, ref: ReleaseRef, sentence: str) -> None:
    def act() -> None:
        channels.point(three.database, ref, CANARY, 10, reason="", actor="ann")

    assert refusal(three, NotFoundError, act).startswith(sentence)


@pytest.mark.parametrize("action", ["promote", "rollback"])
def test_a_canary_that_becomes_live_has_come_to_its_end(three: Registry, action: str) -> None:
    for number in (2, 1):
        three.promote(TRIAGE.release(number), reason="", actor="ann")
    point(three, 2, 30, CANARY)
    point(three, 2, 100, SHADOW)
    getattr(three, action)(TRIAGE.release(2), reason="it is good", actor="bob")
    assert (three.state(TRIAGE).live, pointed(three)[0], pointed(three, SHADOW)[0]) == (2, None, None)
    end, shadow_end, move = three.state(TRIAGE).events[-3:]
    assert said(end) == ("canary-end", 2, None, {"weight": 30})
    assert said(shadow_end) == ("shadow-end", 2, None, {"weight": 100})
    assert (end.actor, end.reason) == ("bob", "it is live now")
    assert said(move) == (action, 1, 2, {})


def test_a_promote_that_fails_does_not_end_the_canary(three: Registry) -> None:
    point(three, 2, 30)
    # The canary's end is written before the promote's own event, which this reason makes impossible.
    too_long = "x" * 5000
    refusal(three, RegistryError, lambda: three.promote(TRIAGE.release(2), reason=too_long, actor="bob"))
    assert pointed(three) == (2, 30)


def test_a_promote_of_another_release_leaves_the_canary(three: Registry) -> None:
    point(three, 2, 30)
    three.promote(TRIAGE.release(3), reason="", actor="bob")
    assert pointed(three) == (2, 30)


def test_a_dry_run_moves_nothing_and_ends_no_canary(three: Registry) -> None:
    point(three, 2, 30)
    before = three.state(TRIAGE)
    assert three.promote(TRIAGE.release(2), reason="", actor="bob", dry_run=True).number == 1
    after = three.state(TRIAGE)
    assert (after.channels, after.events) == (before.channels, before.events)


def test_what_was_live_when_is_not_disturbed_by_what_was_only_tried(three: Registry) -> None:
    point(three, 3)
    three.promote(TRIAGE.release(2), reason="", actor="ann")
    point(three, 1, 50, SHADOW)
    channels.pin(three.database, "clinic", TRIAGE.release(3), reason="", actor="ann")
    clear(three)
    channels.unpin(three.database, "clinic", TRIAGE, reason="", actor="ann")
    events = three.state(TRIAGE).events
    assert history.live_history(events) == [1, 2]
    assert history.live_at(three.database, utcnow()).items == [history.LiveRelease("healthcare/triage", 2)]
    assert three.rollback_target(TRIAGE) == TRIAGE.release(1)


def test_adapters_have_channels_of_their_own(three: Registry, publish: Publish) -> None:
    publish("healthcare/notes")
    point(three, 2)
    assert three.state(AdapterName("healthcare", "notes")).channels == {}
    with three.database.read() as session:
        assert {row.adapter for row in store.channels(session)} == {"triage"}
        assert isinstance(store.channel(session, TRIAGE, CANARY), Channel)
