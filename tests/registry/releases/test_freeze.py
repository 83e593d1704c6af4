"""A frozen domain: nothing of it moves, other than back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from postil.registry.errors import ConflictError, NotFoundError, TextError
from postil.registry.names import AdapterName
from postil.registry.releases import channels, history, retire
from postil.registry.releases.channels import CANARY, SHADOW
from postil.registry.releases.domains import set_default
from postil.registry.releases.freeze import freeze, unfreeze
from postil.registry.releases.service import Registry
from postil.registry.releases.yank import unyank, yank
from tests.registry.conftest import Publish

TRIAGE, CODING = AdapterName("healthcare", "triage"), AdapterName("healthcare", "coding")


@pytest.fixture
def frozen(registry: Registry, publish: Publish) -> Registry:
    """Three releases, the second is live; one is retired, one yanked, and another adapter is retired."""
    for seed in range(4):
        publish(seed=seed)
    publish("healthcare/coding")
    for number in (1, 2):
        registry.promote(TRIAGE.release(number), reason="", actor="ann")
    channels.point(registry.database, TRIAGE.release(4), CANARY, 5, reason="", actor="ann")
    channels.pin(registry.database, "clinic", TRIAGE.release(1), reason="", actor="ann")
    retire.retire_release(registry.database, TRIAGE.release(3), reason="", actor="ann")
    freeze(registry.database, "healthcare", reason="a key leaked", actor="ann")
    return registry


def test_nothing_of_a_frozen_domain_is_published_or_moved(frozen: Registry, publish: Publish) -> None:
    database, ref = frozen.database, TRIAGE.release(4)
    ways: list[Callable[[], object]] = [
        lambda: publish(seed=9),
        lambda: publish("healthcare/new"),
        lambda: frozen.promote(ref, reason="", actor="bob"),
        lambda: channels.point(database, ref, CANARY, 50, reason="", actor="bob"),
        lambda: channels.point(database, ref, SHADOW, 5, reason="", actor="bob"),
        lambda: channels.pin(database, "bank", ref, reason="", actor="bob"),
        lambda: set_default(database, CODING, reason="", actor="bob"),
        lambda: retire.restore_release(database, TRIAGE.release(3), reason="", actor="bob"),
    ]
    before = len(history.log(database))
    for way in ways:
        with pytest.raises(ConflictError, match="healthcare is frozen by ann: a key leaked"):
            way()
    assert len(history.log(database)) == before


def test_a_publish_that_began_before_the_freeze_is_refused_at_its_end(
    registry: Registry, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish()

    def put(folder: object) -> str:
        freeze(registry.database, "healthcare", reason="a key leaked", actor="ann")
        return stored(folder)  # type: ignore[arg-type]

    stored = registry.artifacts.put
    monkeypatch.setattr(registry.artifacts, "put", put)
    with pytest.raises(ConflictError, match="is frozen"):
        publish(seed=1)
    assert len(registry.state(TRIAGE).releases) == 1


def test_what_takes_back_works_in_a_frozen_domain(frozen: Registry) -> None:
    database = frozen.database
    frozen.rollback(TRIAGE.release(1), reason="", actor="bob")
    channels.clear(database, TRIAGE, CANARY, reason="", actor="bob")
    channels.unpin(database, "clinic", TRIAGE, reason="", actor="bob")
    yank(database, TRIAGE.release(4), reason="it harms", actor="bob")
    retire.retire_release(database, TRIAGE.release(2), reason="", actor="bob")
    retire.retire_adapter(database, CODING, reason="", actor="bob")
    with pytest.raises(ConflictError, match="is frozen"):
        unyank(database, TRIAGE.release(4), reason="", actor="bob")
    with pytest.raises(ConflictError, match="is frozen"):
        retire.restore_adapter(database, CODING, reason="", actor="bob")


def test_other_domains_go_on(frozen: Registry, publish: Publish) -> None:
    assert publish("legal/clause") == 1


def test_an_unfrozen_domain_is_as_it_was(frozen: Registry, publish: Publish) -> None:
    domain = unfreeze(frozen.database, "healthcare", reason="the key is revoked", actor="ann")
    assert (domain.frozen_at, domain.frozen_by, domain.frozen_reason) == (None, None, "")
    assert publish(seed=9) == 5


def test_a_domain_is_frozen_once_with_a_reason_and_has_to_exist(frozen: Registry) -> None:
    database = frozen.database
    with pytest.raises(ConflictError, match="frozen already"):
        freeze(database, "healthcare", reason="again", actor="ann")
    with pytest.raises(TextError, match="the reason is missing"):
        freeze(database, "healthcare", reason="", actor="ann")
    with pytest.raises(NotFoundError, match="there is no domain law"):
        freeze(database, "law", reason="x", actor="ann")
    unfreeze(database, "healthcare", reason="", actor="ann")
    with pytest.raises(ConflictError, match="is not frozen"):
        unfreeze(database, "healthcare", reason="", actor="ann")


def test_a_publisher_of_the_domain_sees_in_the_log_that_it_was_frozen(frozen: Registry) -> None:
    found = history.events(frozen.database, domains=["healthcare"], newest_first=True).items
    assert (found[0].action, found[0].subject) == ("domain-freeze", "healthcare")
    assert not history.events(frozen.database, domains=["legal"]).items
