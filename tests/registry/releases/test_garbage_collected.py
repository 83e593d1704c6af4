"""Releases whose files were collected: nothing points to them, and the same files bring them back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from postil.registry.errors import ConflictError
from postil.registry.policy.policy import Policy
from postil.registry.releases import channels
from postil.registry.releases.channels import CANARY, SHADOW
from postil.registry.releases.service import Registry
from tests.fakes.adapters import write_adapter
from tests.registry.conftest import Publish
from tests.registry.releases.garbage_acts import PROMPT, TRIAGE, events, gc, has_files, log_holds
from tests.registry.releases.test_service import rows


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
