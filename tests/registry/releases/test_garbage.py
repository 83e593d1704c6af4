"""Garbage collection: what goes, what stays, and what is said of it afterwards."""

from __future__ import annotations

import fcntl
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postil.plugins.manager import PluginManager
from postil.registry.artifacts.local_store import LocalStore
from postil.registry.base_model.model import BaseModel
from postil.registry.db import queries as store
from postil.registry.db.audit_chain import first_break
from postil.registry.db.database import Database
from postil.registry.db.tables import Event
from postil.registry.errors import ArtifactError, ConflictError, RegistryError
from postil.registry.names import AdapterName, parse_adapter
from postil.registry.policy.policy import Policy, policy_from
from postil.registry.releases import channels
from postil.registry.releases import garbage as collect
from postil.registry.releases.channels import CANARY, SHADOW
from postil.registry.releases.garbage import Garbage
from postil.registry.releases.retire import retire_release
from postil.registry.releases.service import Registry
from postil.registry.releases.yank import unyank, yank
from tests.fakes.adapters import write_adapter
from tests.registry.conftest import Publish
from tests.registry.releases.test_service import files, rows
from tests.support.databases import write_sqlite

TRIAGE, NOTES = AdapterName("healthcare", "triage"), AdapterName("healthcare", "notes")
PROMPT = policy_from({"system_prompt": "Sort."})


def gc(registry: Registry, keep: int = 1, *, dry_run: bool = False) -> list[Garbage]:
    """Collect, by ann."""
    return collect.collect_garbage(registry.database, registry.artifacts, keep=keep, actor="ann", dry_run=dry_run)


def has_files(registry: Registry, number: int, name: AdapterName = TRIAGE) -> bool:
    """Whether the files of a release are there, byte for byte."""
    try:
        registry.artifacts.verified_path(registry.release(name.release(number)).artifact)
    except ArtifactError:
        return False
    return True


def events(registry: Registry, *actions: str) -> list[Event]:
    """The events of these kinds."""
    with registry.database.read() as session:
        return list(store.events(session, None, actions))


def log_holds(registry: Registry) -> bool:
    """Whether the chain of events is whole."""
    with registry.database.read() as session:
        return first_break(store.events(session)) is None


@pytest.fixture
def three(publish: Publish) -> None:
    """Three releases of an adapter, none of them live."""
    for seed in range(3):
        publish(seed=seed)


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


@pytest.mark.usefixtures("three")
def test_what_was_collected_is_not_collected_again(registry: Registry) -> None:
    assert len(gc(registry)) == 2
    assert gc(registry) == gc(registry, keep=10) == []
    assert len(events(registry, "collect")) == 2


@pytest.mark.usefixtures("three")
def test_files_of_a_collected_release_that_a_crash_left_go_the_next_time(registry: Registry) -> None:
    """Between the event and the deletion, or between adding files again and naming them."""
    gc(registry, keep=2)
    with registry.artifacts.incoming() as folder:
        digest = registry.artifacts.put(write_adapter(folder / "adapter", seed=0))
    assert digest == registry.release(TRIAGE.release(1)).artifact
    (garbage,) = gc(registry, keep=10)
    assert (garbage.artifact, garbage.releases) == (digest, ())
    assert not has_files(registry, 1)


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("action", ["promote", "rollback", "canary", "shadow", "pin"])
def test_nothing_can_point_to_what_was_collected(registry: Registry, action: str) -> None:
    registry.promote(TRIAGE.release(3), reason="", actor="ann")
    gc(registry)
    before = rows(registry)
    ref = TRIAGE.release(1)
    said: dict[str, Any] = {"reason": "", "actor": "ann"}
    acts: dict[str, Callable[[], Any]] = {
        "promote": lambda: registry.promote(ref, **said),
        "rollback": lambda: registry.rollback(ref, **said),
        "canary": lambda: channels.point(registry.database, ref, CANARY, 5, **said),
        "shadow": lambda: channels.point(registry.database, ref, SHADOW, 5, **said),
        "pin": lambda: channels.pin(registry.database, "clinic", ref, **said),
    }
    with pytest.raises(ConflictError) as caught:
        acts[action]()
    assert str(caught.value) == "the files of healthcare/triage@1 were collected; publish it again to serve it"
    assert rows(registry) == before


@pytest.mark.usefixtures("three")
def test_publishing_the_same_files_again_brings_the_release_back(registry: Registry, tmp_path: Path) -> None:
    gc(registry)
    source = write_adapter(tmp_path / "again", seed=0)
    release, done = registry.publish(source, TRIAGE, Policy(), note="we want it back", actor="bob")
    assert (release.number, done) == (1, True)
    assert registry.state(TRIAGE).collected == {2}
    (event,) = events(registry, "restore")
    assert (event.actor, event.subject, event.after, event.reason) == ("bob", str(TRIAGE), 1, "we want it back")
    registry.promote(TRIAGE.release(1), reason="", actor="ann")
    assert gc(registry) == []
    assert has_files(registry, 1)
    assert log_holds(registry)


@pytest.mark.usefixtures("three")
def test_what_was_brought_back_and_is_out_of_reach_goes_again(registry: Registry, publish: Publish) -> None:
    gc(registry)
    publish(seed=0)
    assert [garbage.releases for garbage in gc(registry)] == [(TRIAGE.release(1),)]
    assert registry.state(TRIAGE).collected == {1, 2}


@pytest.mark.usefixtures("three")
def test_another_release_of_the_same_files_does_not_bring_the_first_back(registry: Registry, publish: Publish) -> None:
    gc(registry)
    assert publish(seed=0, policy=PROMPT) == 4
    assert registry.state(TRIAGE).collected == {1, 2}
    gc(registry)
    assert has_files(registry, 4)


def another_gateway(registry: Registry, url: str, tmp_path: Path) -> Registry:
    """The same database and the same files, seen from elsewhere."""
    return Registry(Database(url), LocalStore.open(tmp_path / "artifacts"), registry.base, registry.plugins, max_rank=8)


def test_while_a_publish_has_not_named_its_files_nobody_collects(
    registry: Registry, publish: Publish, tmp_path: Path
) -> None:
    """It has added them and waits for the database, whose writers' lock is held here."""
    publisher = threading.Thread(target=publish)
    with registry.database.write() as session:
        store.lock_for_writing(session)
        publisher.start()
        while not files(tmp_path / "artifacts" / "sha256"):
            publisher.join(0.001)
        with (tmp_path / "artifacts" / "collecting.lock").open() as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    publisher.join()
    assert gc(registry) == []
    assert has_files(registry, 1)


def test_publishing_and_collecting_at_once_loses_nothing_unsaid(
    registry: Registry, publish: Publish, url: str, tmp_path: Path
) -> None:
    """What is published is collected, over and over; in the end each release has its files, or says that it has not."""
    other, ending = another_gateway(registry, url, tmp_path), threading.Event()

    def keep_collecting() -> None:
        while not ending.is_set():
            gc(other, 0)

    collector = threading.Thread(target=keep_collecting)
    collector.start()
    try:
        for number in range(12):
            publish(seed=number % 3)
    finally:
        ending.set()
        collector.join()
    gone = {number for number in (1, 2, 3) if not has_files(registry, number)}
    assert gone == registry.state(TRIAGE).collected
    assert log_holds(registry)
    other.database.close()


FIRST = [("publish", name, seed) for name in ("healthcare/triage", "healthcare/notes") for seed in range(4)]
ACTS = st.one_of(
    st.tuples(
        st.sampled_from(["publish", "promote", "promote", "rollback", CANARY, SHADOW, "pin", "gc"]),
        st.sampled_from(["healthcare/triage", "healthcare/notes"]),
        st.integers(1, 5),
    ),
    st.tuples(
        st.sampled_from(["rollback", "canary-end", "unpin", "gc"]),
        st.sampled_from(["healthcare/triage", "healthcare/notes"]),
        st.just(0),
    ),
)


def do(registry: Registry, folder: Path, action: str, name: AdapterName, number: int) -> None:
    """One act of the property; what is refused is no act."""
    said: dict[str, Any] = {"reason": "", "actor": "ann"}
    ref, database = name.release(number), registry.database
    if action == "publish":
        with registry.artifacts.incoming() as incoming:
            shutil.copytree(folder / str(number), incoming, dirs_exist_ok=True)
            registry.publish(incoming, name, Policy(), note="", actor="ann")
    elif action == "promote":
        registry.promote(ref, **said)
    elif action == "rollback":
        registry.rollback(ref if number else registry.rollback_target(name), **said)
    elif action in (CANARY, SHADOW):
        channels.point(database, ref, action, 5, **said)
    elif action == "canary-end":
        channels.clear(database, name, CANARY, **said)
    elif action == "pin":
        channels.pin(database, "clinic", ref, **said)
    elif action == "unpin":
        channels.unpin(database, "clinic", name, **said)
    else:
        gc(registry, number)


def wanted(registry: Registry, keep: int) -> set[tuple[AdapterName, int]]:
    """The releases in reach, told from what people see of the adapters."""
    found = set[tuple[AdapterName, int]]()
    for name in (state.name for state in registry.adapters()):
        state = registry.state(name)
        newest = {release.number for release in state.releases if release.number > len(state.releases) - keep}
        found |= {(name, number) for number in newest - state.collected}
        found |= {(name, channel.number) for channel in state.channels.values() if channel.number}
        found |= {(name, number) for number in state.pins.values()}
        lived = [event.after for event in state.events if event.action in ("promote", "rollback")]
        found |= {(name, number) for number in lived if number is not None}
    return found


@given(acts=st.lists(ACTS, min_size=8, max_size=25), keep=st.integers(0, 3))
@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_was_done_what_is_in_reach_has_its_files(
    acts: list[tuple[str, str, int]], keep: int, base: BaseModel, plugins: PluginManager,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("collect")
    for seed in range(6):
        write_adapter(folder / str(seed), seed=seed)
    database = Database(f"sqlite:///{write_sqlite(folder / 'registry.db')}")
    registry = Registry(database, LocalStore.open(folder / "artifacts"), base, plugins, max_rank=8)
    for action, adapter, number in [*FIRST, *acts]:
        try:
            do(registry, folder, action, parse_adapter(adapter), number)
        except RegistryError:
            continue
    in_reach = wanted(registry, keep)
    gc(registry, keep)
    for name, number in in_reach:
        assert has_files(registry, number, name), name.release(number)
    for state in registry.adapters():
        gone = {release.number for release in state.releases if not has_files(registry, release.number, state.name)}
        assert gone <= state.collected
    assert gc(registry, keep, dry_run=True) == []
    assert log_holds(registry)
    database.close()
