"""What a gateway reads of the registry while it serves: what is live, what can be, and what has happened since."""

from __future__ import annotations

import pytest

from postil.registry.errors import ConflictError, NotFoundError
from postil.registry.names import AdapterName
from postil.registry.releases import garbage as collect
from postil.registry.releases.service import Registry
from tests.registry.conftest import Publish

TRIAGE, NOTES = AdapterName("healthcare", "triage"), AdapterName("healthcare", "notes")


def test_an_adapter_is_read_together_with_all_defaults(registry: Registry, publish: Publish) -> None:
    for name in ("healthcare/triage", "healthcare/notes", "legal/clause"):
        publish(name)
    registry.promote(NOTES.release(1), reason="", actor="ann")
    state, defaults, as_of = registry.serving(NOTES)
    assert as_of == registry.newest_event()
    assert (state.name, state.live, state.default) == (NOTES, 1, False)
    assert defaults == {"healthcare": "triage", "legal": "clause"}
    with pytest.raises(NotFoundError):
        registry.serving(AdapterName("legal", "unknown"))


def test_a_release_is_usable_as_long_as_it_has_its_files(registry: Registry, publish: Publish) -> None:
    for seed in range(2):
        publish(seed=seed)
    assert registry.usable(TRIAGE.release(1)) == registry.release(TRIAGE.release(1))
    collect.collect_garbage(registry.database, registry.artifacts, keep=1, actor="ann")
    with pytest.raises(ConflictError):
        registry.usable(TRIAGE.release(1))
    assert registry.usable(TRIAGE.release(2)).number == 2
    with pytest.raises(NotFoundError):
        registry.usable(TRIAGE.release(3))


def test_what_happened_since_is_read_from_the_last_known_event_on(registry: Registry, publish: Publish) -> None:
    assert registry.newest_event() == 0
    publish()
    known = registry.newest_event()
    publish("legal/clause")
    registry.promote(TRIAGE.release(1), reason="", actor="bob")
    found = registry.events_after(known)
    assert [(event.sequence, event.action, event.subject) for event in found] == [
        (2, "publish", "legal/clause"), (3, "promote", "healthcare/triage"),
    ]  # fmt: skip
    assert registry.events_after(registry.newest_event()) == []
