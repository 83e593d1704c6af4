"""Garbage collection: what goes, what stays, and what the log says of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from postil.registry.releases import channels
from postil.registry.releases.channels import CANARY, SHADOW
from postil.registry.releases.garbage import Garbage
from postil.registry.releases.retire import retire_release
from postil.registry.releases.service import Registry
from postil.registry.releases.yank import unyank, yank
from tests.fakes.adapters import write_adapter
from tests.registry.conftest import Publish
from tests.registry.releases.garbage_acts import NOTES, PROMPT, TRIAGE, events, gc, has_files, log_holds
from tests.registry.releases.test_service import files, rows


@pytest.mark.usefixtures("three")
def test_what_never_was_live_and_is_not_new_goes(registry: Registry) -> None:
    release = registry.release(TRIAGE.release(1))
    size = sum(path.stat().st_size for path in registry.artifacts.verified_path(release.artifact).iterdir())
    found = gc(registry, keep=2)
    assert found == [Garbage(release.artifact, (TRIAGE.release(1),), "never live, and not among the newest 2", size)]
    assert [has_files(registry, number) for number in (1, 2, 3)] == [False, True, True]
    assert registry.release(TRIAGE.release(1)) == release
    assert registry.state(TRIAGE).collected == {1}


@pytest.mark.usefixtures("three")
def test_each_collection_is_an_event(registry: Registry) -> None:
    gc(registry, keep=2)
    (event,) = events(registry, "collect")
    assert (event.actor, event.subject, event.before, event.after) == ("ann", str(TRIAGE), 1, None)
    assert event.reason == "never live, and not among the newest 2"
    assert event.details == {"artifact": registry.release(TRIAGE.release(1)).artifact}
    assert log_holds(registry)


def _live(registry: Registry) -> None:
    registry.promote(TRIAGE.release(1), reason="", actor="ann")


def _was_live(registry: Registry) -> None:
    for number in (1, 3):
        registry.promote(TRIAGE.release(number), reason="", actor="ann")


def _rolled_back_from(registry: Registry) -> None:
    for number in (3, 1):
        registry.promote(TRIAGE.release(number), reason="", actor="ann")
    registry.rollback(TRIAGE.release(3), reason="", actor="ann")


def _pinned(registry: Registry) -> None:
    channels.pin(registry.database, "clinic", TRIAGE.release(1), reason="", actor="ann")


def _pointed(which: str) -> Callable[[Registry], None]:
    def act(registry: Registry) -> None:
        registry.promote(TRIAGE.release(3), reason="", actor="ann")
        channels.point(registry.database, TRIAGE.release(1), which, 5, reason="", actor="ann")

    return act


def _yanked(registry: Registry) -> None:
    yank(registry.database, TRIAGE.release(1), reason="harmful", actor="ann")


def _yanked_and_retired(registry: Registry) -> None:
    _yanked(registry)
    retire_release(registry.database, TRIAGE.release(1), reason="", actor="ann")


@pytest.mark.usefixtures("three")
def test_a_yank_that_was_taken_back_keeps_nothing(registry: Registry) -> None:
    _yanked(registry)
    unyank(registry.database, TRIAGE.release(1), reason="", actor="ann")
    assert [garbage.releases for garbage in gc(registry)] == [(TRIAGE.release(1),), (TRIAGE.release(2),)]


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    "act",
    [_live, _was_live, _rolled_back_from, _yanked, _yanked_and_retired, _pinned, _pointed(CANARY), _pointed(SHADOW)],
    ids=["live", "was live", "rolled back from", "yanked", "yanked and retired", "pinned", "canary", "shadow"],
)  # fmt: skip
def test_what_somebody_may_still_ask_for_stays(registry: Registry, act: Callable[[Registry], None]) -> None:
    act(registry)
    assert [garbage.releases for garbage in gc(registry)] == [(TRIAGE.release(2),)]
    assert [has_files(registry, number) for number in (1, 2, 3)] == [True, False, True]


@pytest.mark.usefixtures("three")
def test_every_release_that_a_rollback_can_reach_is_there_for_it(registry: Registry) -> None:
    for number in (2, 1, 3):
        registry.promote(TRIAGE.release(number), reason="", actor="ann")
    assert gc(registry, keep=0) == []
    for number in (1, 2):
        target = registry.rollback_target(TRIAGE)
        assert target.number == number
        assert has_files(registry, number)
        registry.rollback(target, reason="", actor="ann")


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(("keep", "left"), [(0, []), (1, [3]), (2, [2, 3]), (3, [1, 2, 3]), (10, [1, 2, 3])])
def test_the_newest_stay(registry: Registry, keep: int, left: list[int]) -> None:
    gc(registry, keep)
    assert [number for number in (1, 2, 3) if has_files(registry, number)] == left


@pytest.mark.usefixtures("three")
def test_a_dry_run_says_what_would_go_and_changes_nothing(registry: Registry, tmp_path: Path) -> None:
    before = rows(registry), files(tmp_path / "artifacts" / "sha256")
    found = gc(registry, dry_run=True)
    assert [garbage.releases for garbage in found if garbage.releases] == sorted(
        ((TRIAGE.release(1),), (TRIAGE.release(2),)), key=lambda refs: registry.release(refs[0]).artifact
    )
    assert (rows(registry), files(tmp_path / "artifacts" / "sha256")) == before
    assert found == gc(registry)


def test_files_that_two_releases_share_go_with_the_last_of_them(registry: Registry, publish: Publish) -> None:
    publish(seed=1)
    publish(seed=1, policy=PROMPT)
    publish("healthcare/notes", seed=1)
    publish(seed=2)
    registry.promote(NOTES.release(1), reason="", actor="ann")
    assert gc(registry) == []
    publish("healthcare/notes", seed=2)
    assert has_files(registry, 1)


def test_files_that_only_releases_out_of_reach_share_go(registry: Registry, publish: Publish) -> None:
    publish(seed=1)
    publish(seed=1, policy=PROMPT)
    publish(seed=2)
    (garbage,) = gc(registry)
    assert garbage.releases == (TRIAGE.release(1), TRIAGE.release(2))
    said = [(event.subject, event.before) for event in events(registry, "collect")]
    assert said == [(str(TRIAGE), 1), (str(TRIAGE), 2)]
    assert not has_files(registry, 1)


def test_files_that_no_release_names_go(registry: Registry, tmp_path: Path) -> None:
    """As an interrupted publish leaves them: added to the store, and not yet named."""
    with registry.artifacts.incoming() as folder:
        digest = registry.artifacts.put(write_adapter(folder / "adapter"))
    (garbage,) = gc(registry)
    assert (garbage.artifact, garbage.releases, garbage.reason) == (digest, (), "no release names it")
    (event,) = events(registry, "collect")
    assert (event.subject, event.before, event.details) == ("artifacts", None, {"artifact": digest})
    assert files(tmp_path / "artifacts") == ["collecting.lock", "keeping.lock"]
    assert log_holds(registry)


def test_a_damaged_artifact_goes_like_any_other(registry: Registry, publish: Publish) -> None:
    publish(seed=1)
    publish(seed=2)
    (registry.artifacts.verified_path(registry.release(TRIAGE.release(1)).artifact) / "adapter_config.json").write_text(
        "{}"
    )
    assert [garbage.releases for garbage in gc(registry)] == [(TRIAGE.release(1),)]


@pytest.mark.usefixtures("three")
def test_what_is_no_artifact_is_left_alone(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "artifacts" / "sha256" / "lost+found").mkdir()
    gc(registry, keep=0)
    assert [path.name for path in (tmp_path / "artifacts" / "sha256").iterdir()] == ["lost+found"]
