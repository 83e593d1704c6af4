"""Rights of tenants: kept with the tenant, every change in the log."""

from __future__ import annotations

import pytest

from postil.registry.accounts.rights import Right, change_rights, rights_named, rights_of
from postil.registry.accounts.tenants import add_tenant
from postil.registry.db.database import Database
from postil.registry.db.tables import Tenant
from postil.registry.errors import NotFoundError, RightError
from postil.registry.releases import audit, history


def test_a_new_tenant_may_ask_the_base_and_no_more(database: Database) -> None:
    add_tenant(database, "clinic", ["healthcare"], actor="ann")
    assert rights_named(database, "clinic") == {Right.BASE}


def test_a_tenant_is_added_with_the_rights_that_are_named(database: Database) -> None:
    add_tenant(database, "clinic", ["healthcare"], rights=["numbers", "grammars"], actor="ann")
    assert rights_named(database, "clinic") == {Right.GRAMMARS, Right.NUMBERS}
    (added,) = [event for event in history.log(database) if event.action == "tenant-add"]
    assert added.details == {"rights": ["grammars", "numbers"]}
    with pytest.raises(RightError, match="a right is one of base, grammars, numbers"):
        add_tenant(database, "other", [], rights=["root"], actor="ann")


def test_rights_are_given_and_taken_and_each_change_is_in_the_log(database: Database) -> None:
    add_tenant(database, "clinic", ["healthcare"], actor="ann")
    after = change_rights(database, "clinic", add=["grammars"], remove=["base"], actor="ann")
    assert after == rights_named(database, "clinic") == {Right.GRAMMARS}
    assert change_rights(database, "clinic", add=["grammars"], actor="bob") == {Right.GRAMMARS}
    (change,) = [event for event in history.log(database) if event.action == "tenant-rights"]
    assert (change.actor, change.subject) == ("ann", "clinic")
    assert change.details == {"before": ["base"], "after": ["grammars"]}
    assert audit.verify(database).first_break is None


def test_a_right_that_there_is_not_or_that_is_both_given_and_taken_is_refused(database: Database) -> None:
    add_tenant(database, "clinic", ["healthcare"], actor="ann")
    with pytest.raises(RightError, match="a right is one of"):
        change_rights(database, "clinic", add=["everything"], actor="ann")
    with pytest.raises(RightError, match="base cannot be both added and removed"):
        change_rights(database, "clinic", add=["base"], remove=["base"], actor="ann")


def test_a_tenant_that_is_not_there_has_no_rights(database: Database) -> None:
    with pytest.raises(NotFoundError, match="no tenant 'nobody'"):
        rights_named(database, "nobody")
    with pytest.raises(NotFoundError, match="no tenant 'nobody'"):
        change_rights(database, "nobody", actor="ann")


def test_rights_of_a_later_version_are_left_out() -> None:
    assert rights_of(Tenant(name="a", domains=[], rights=["base", "fine-tune"])) == {Right.BASE}
