"""Releases and adapters out of service, and back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from postil.registry.db import queries as store
from postil.registry.db.audit_chain import first_break
from postil.registry.errors import ConflictError, NotFoundError
from postil.registry.names import AdapterName
from postil.registry.releases import channels
from postil.registry.releases import garbage as collect
from postil.registry.releases.channels import CANARY, SHADOW
from postil.registry.releases.history import Retired
from postil.registry.releases.retire import restore_adapter, restore_release, retire_adapter, retire_release
from postil.registry.releases.service import Registry
from tests.registry.conftest import Publish

TRIAGE = AdapterName("healthcare", "triage")
Act = Callable[[Registry], object]


@pytest.fixture
def three(registry: Registry, publish: Publish) -> Registry:
    """Three releases; 1 was live before 3, which is."""
    for seed in range(3):
        publish(seed=seed)
    for number in (1, 3):
        registry.promote(TRIAGE.release(number), reason="", actor="ann")
    return registry


def retire(registry: Registry, number: int) -> None:
    retire_release(registry.database, TRIAGE.release(number), reason="old", actor="ann")


def restore(registry: Registry, number: int) -> None:
    restore_release(registry.database, TRIAGE.release(number), reason="missed", actor="bob")


def retire_whole(registry: Registry) -> None:
    retire_adapter(registry.database, TRIAGE, reason="old", actor="ann")


def restore_whole(registry: Registry) -> None:
    restore_adapter(registry.database, TRIAGE, reason="missed", actor="bob")


def refusal(act: Callable[[], object]) -> str:
    """The sentence with which it is refused."""
    with pytest.raises(ConflictError) as caught:
        act()
    return str(caught.value)


def moves(registry: Registry, number: int) -> list[Callable[[], object]]:
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


def test_a_retired_release_can_be_neither_promoted_nor_tried_nor_pinned_until_it_is_restored(three: Registry) -> None:
    retire(three, 1)
    assert three.state(TRIAGE).retired == Retired(False, frozenset({1}))
    for act in moves(three, 1):
        assert refusal(act) == (
            "healthcare/triage@1 is retired; bring it back first with `postil releases restore healthcare/triage@1`"
        )
    restore(three, 1)
    assert three.state(TRIAGE).retired == Retired()
    for act in moves(three, 1)[1:3]:
        act()


def test_it_is_in_the_log_who_did_it_and_why(three: Registry) -> None:
    retire(three, 1)
    restore(three, 1)
    retire_whole(three)
    restore_whole(three)
    with three.database.read() as session:
        events = store.events(session, str(TRIAGE))
        assert first_break(store.events(session)) is None
    assert [(event.action, event.before, event.after, event.actor, event.reason) for event in events[-4:]] == [
        ("retire", 1, None, "ann", "old"), ("unretire", None, 1, "bob", "missed"),
        ("retire", None, None, "ann", "old"), ("unretire", None, None, "bob", "missed"),
    ]  # fmt: skip


def test_the_live_release_is_refused_with_the_remedy(three: Registry) -> None:
    assert refusal(lambda: retire(three, 3)) == (
        "healthcare/triage@3 is live; promote another release or roll back first, or retire the whole adapter with"
        " `postil adapters retire healthcare/triage`"
    )


@pytest.mark.parametrize("which", [CANARY, SHADOW])
def test_a_release_that_is_tried_is_refused_with_the_remedy(three: Registry, which: str) -> None:
    channels.point(three.database, TRIAGE.release(2), which, 5, reason="", actor="ann")
    assert refusal(lambda: retire(three, 2)) == (
        f"healthcare/triage@2 is the {which}; end it first with `postil {which} healthcare/triage --end`"
    )


def test_a_pinned_release_may_be_retired_and_stays_pinned(three: Registry) -> None:
    channels.pin(three.database, "clinic", TRIAGE.release(2), reason="", actor="ann")
    retire(three, 2)
    assert three.state(TRIAGE).pins == {"clinic": 2}


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda registry: retire(registry, 1), "healthcare/triage@1 is retired already"),
        (lambda registry: restore(registry, 2), "healthcare/triage@2 is not retired"),
        (restore_whole, "healthcare/triage is not retired"),
    ],
)
def test_what_is_so_already_is_refused(three: Registry, act: Act, says: str) -> None:
    retire(three, 1)
    assert says in refusal(lambda: act(three))


def test_an_adapter_is_retired_once(three: Registry) -> None:
    retire_whole(three)
    assert "healthcare/triage is retired already" in refusal(lambda: retire_whole(three))


def test_what_is_not_there_is_not_found(registry: Registry) -> None:
    with pytest.raises(NotFoundError):
        retire(registry, 1)
    with pytest.raises(NotFoundError):
        restore(registry, 1)
    with pytest.raises(NotFoundError):
        retire_whole(registry)


def test_nothing_of_a_retired_adapter_can_be_moved_until_it_is_restored(three: Registry) -> None:
    retire_whole(three)
    assert three.state(TRIAGE).retired == Retired(True)
    assert three.state(TRIAGE).live == 3
    for act in moves(three, 1):
        assert refusal(act) == (
            "healthcare/triage is retired; bring it back first with `postil adapters restore healthcare/triage`"
        )
    restore_whole(three)
    three.promote(TRIAGE.release(1), reason="", actor="ann")


def test_a_rollback_goes_past_what_is_retired(three: Registry) -> None:
    three.promote(TRIAGE.release(2), reason="", actor="ann")
    retire(three, 3)
    assert three.rollback_target(TRIAGE) == TRIAGE.release(1)
    assert three.state(TRIAGE).previous == 1
    retire(three, 1)
    assert three.state(TRIAGE).previous is None
    assert "no earlier live release" in refusal(lambda: three.rollback_target(TRIAGE))


def test_a_rollback_past_what_is_retired_does_not_go_to_the_live_release_itself(three: Registry) -> None:
    three.promote(TRIAGE.release(1), reason="", actor="ann")
    retire(three, 3)
    assert three.state(TRIAGE).previous is None


def gone(registry: Registry, keep: int) -> list[tuple[list[int], str]]:
    """What garbage collection would take, and why."""
    found = collect.collect_garbage(registry.database, registry.artifacts, keep=keep, actor="ann", dry_run=True)
    return sorted(([ref.number for ref in one.releases], one.reason) for one in found)


def test_what_was_live_once_and_is_retired_is_collected_when_it_is_no_longer_among_the_newest(three: Registry) -> None:
    assert gone(three, 1) == [([2], "never live, and not among the newest 1")]
    retire(three, 1)
    assert gone(three, 1) == [
        ([1], "retired, and not among the newest 1"), ([2], "never live, and not among the newest 1")
    ]  # fmt: skip
    assert gone(three, 3) == []


def test_a_retired_release_that_is_pinned_keeps_its_files(three: Registry) -> None:
    channels.pin(three.database, "clinic", TRIAGE.release(1), reason="", actor="ann")
    retire(three, 1)
    assert [numbers for numbers, _ in gone(three, 1)] == [[2]]


def test_a_retired_adapter_keeps_what_it_would_come_back_with(three: Registry) -> None:
    retire_whole(three)
    assert [numbers for numbers, _ in gone(three, 1)] == [[2]]


def test_a_retired_release_without_files_is_published_again_before_it_is_restored(
    three: Registry, publish: Publish
) -> None:
    retire(three, 1)
    collect.collect_garbage(three.database, three.artifacts, keep=1, actor="ann")
    assert refusal(lambda: restore(three, 1)) == (
        "the files of healthcare/triage@1 were collected; publish it again, and then restore it"
    )
    assert publish(seed=0) == 1
    restore(three, 1)
    assert three.usable(TRIAGE.release(1)).number == 1
