"""Pins: tenants that keep one release, whatever is live."""

from __future__ import annotations

import pytest

from postil.registry.accounts.tenants import add_tenant, remove_tenant
from postil.registry.db import queries as store
from postil.registry.errors import ConflictError, NotFoundError
from postil.registry.names import AdapterName
from postil.registry.releases import audit, channels, history
from postil.registry.releases.service import Registry
from tests.registry.conftest import Publish
from tests.registry.releases.test_channels import TRIAGE, last, refusal, said

NOTES = AdapterName("healthcare", "notes")


@pytest.fixture
def three(registry: Registry, publish: Publish) -> Registry:
    """A registry with three releases, the first of them live, and another adapter."""
    for seed in range(3):
        publish(seed=seed)
    publish(str(NOTES))
    registry.promote(TRIAGE.release(1), reason="", actor="ann")
    return registry


def pin(registry: Registry, tenant: str, number: int, name: AdapterName = TRIAGE, *, actor: str = "ann") -> None:
    """Pin a tenant."""
    channels.pin(registry.database, tenant, name.release(number), reason="as agreed", actor=actor)


def unpin(registry: Registry, tenant: str, name: AdapterName = TRIAGE) -> None:
    """Unpin a tenant."""
    channels.unpin(registry.database, tenant, name, reason="no longer", actor="bob")


def test_a_pin_is_kept_with_its_event(three: Registry) -> None:
    pin(three, "clinic", 2)
    assert three.state(TRIAGE).pins == {"clinic": 2}
    event = last(three)
    assert said(event) == ("pin", None, 2, {"tenant": "clinic"})
    assert (event.actor, event.reason, event.subject) == ("ann", "as agreed", "healthcare/triage")


def test_a_pin_can_be_moved(three: Registry) -> None:
    pin(three, "clinic", 2)
    pin(three, "clinic", 3)
    assert three.state(TRIAGE).pins == {"clinic": 3}
    assert said(last(three)) == ("pin", 2, 3, {"tenant": "clinic"})


def test_pins_are_by_tenant_and_by_adapter(three: Registry) -> None:
    pin(three, "clinic", 2)
    pin(three, "hospital", 3)
    pin(three, "clinic", 1, NOTES)
    unpin(three, "clinic")
    assert (three.state(TRIAGE).pins, three.state(NOTES).pins) == ({"hospital": 3}, {"clinic": 1})


def test_what_is_live_can_be_pinned_too(three: Registry) -> None:
    pin(three, "clinic", 1)
    three.promote(TRIAGE.release(2), reason="", actor="ann")
    assert three.state(TRIAGE).pins == {"clinic": 1}


def test_an_unpinned_tenant_is_told_in_the_log(three: Registry) -> None:
    pin(three, "clinic", 2)
    unpin(three, "clinic")
    assert three.state(TRIAGE).pins == {}
    event = last(three)
    assert said(event) == ("unpin", 2, None, {"tenant": "clinic"})
    assert (event.actor, event.reason) == ("bob", "no longer")


def test_what_is_so_already_or_not_at_all_is_refused(three: Registry) -> None:
    pin(three, "clinic", 2)
    assert refusal(three, ConflictError, lambda: pin(three, "clinic", 2)) == (
        "clinic is pinned to healthcare/triage@2 already"
    )
    assert refusal(three, NotFoundError, lambda: unpin(three, "hospital")) == (
        "hospital is not pinned to a release of healthcare/triage; see `postil releases healthcare/triage`"
    )
    assert refusal(three, NotFoundError, lambda: pin(three, "clinic", 9)) == (
        "there is no release healthcare/triage@9; healthcare/triage has 1, 2, 3"
    )


def test_a_tenant_that_is_removed_takes_its_pins_along(three: Registry) -> None:
    add_tenant(three.database, "clinic", ["healthcare"], actor="ann")
    pin(three, "clinic", 2)
    pin(three, "clinic", 1, NOTES)
    pin(three, "hospital", 3)
    remove_tenant(three.database, "clinic", actor="bob")
    assert (three.state(TRIAGE).pins, three.state(NOTES).pins) == ({"hospital": 3}, {})
    unpins = [event for event in history.log(three.database) if event.action == "unpin"]
    assert {(event.subject, event.before, event.actor, event.reason) for event in unpins} == {
        ("healthcare/triage", 2, "bob", "the tenant was removed"),
        ("healthcare/notes", 1, "bob", "the tenant was removed"),
    }
    assert audit.verify(three.database).first_break is None


def test_a_tenant_that_is_not_there_takes_no_pins_along(three: Registry) -> None:
    pin(three, "demo", 2)
    with pytest.raises(NotFoundError):
        remove_tenant(three.database, "demo", actor="bob")
    with three.database.read() as session:
        assert [found.tenant for found in store.pins(session)] == ["demo"]
