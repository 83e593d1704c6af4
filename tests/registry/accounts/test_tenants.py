from __future__ import annotations

import pytest

from postil.registry.accounts.tenants import (
    add_tenant,
    admit_tenant,
    refuse_tenant,
    remove_tenant,
    tenants_and_keys,
)
from postil.registry.db import queries as store
from postil.registry.db.audit_chain import first_break
from postil.registry.db.database import Database
from postil.registry.db.tables import Event
from postil.registry.errors import ConflictError, KeyRefusedError, NameInvalidError, NotFoundError, TextError


def events(database: Database) -> list[Event]:
    """The whole log, which holds."""
    with database.read() as session:
        found = list(store.events(session))
    assert first_break(found) is None
    return found


def names(database: Database) -> list[str]:
    """The tenants there are."""
    return [tenant.name for tenant in tenants_and_keys(database)[0]]


def test_a_tenant_is_added_with_a_key_that_is_not_kept(database: Database) -> None:
    tenant, key, text = add_tenant(database, "clinic", ["healthcare", "legal"], actor="ann")
    (kept,), (kept_key,) = tenants_and_keys(database)
    assert (kept, kept_key) == (tenant, key)
    assert (kept.domains, kept.default_domain) == (["healthcare", "legal"], "healthcare")
    assert (key.owner, key.role, key.domains, key.expires_at) == ("clinic", "tenant", [], None)
    secret = text.removeprefix(f"{key.prefix}_")
    assert len(secret) == 43
    assert secret not in repr([kept, kept_key, *events(database)])


def test_another_default_can_be_named(database: Database) -> None:
    tenant, *_ = add_tenant(database, "clinic", ["healthcare", "legal"], default="legal", actor="ann")
    assert tenant.default_domain == "legal"


def test_a_tenant_without_domains_has_no_default(database: Database) -> None:
    tenant, *_ = add_tenant(database, "probe", [], actor="ann")
    assert (tenant.domains, tenant.default_domain) == ([], None)


def test_tenants_come_by_name(database: Database) -> None:
    for name in ("lawfirm", "bank", "clinic"):
        add_tenant(database, name, ["healthcare"], actor="ann")
    assert names(database) == ["bank", "clinic", "lawfirm"]


def test_adding_and_removing_leave_events(database: Database) -> None:
    add_tenant(database, "clinic", ["healthcare", "legal"], actor="ann")
    remove_tenant(database, "clinic", actor="bob")
    assert [(event.actor, event.action, event.subject, event.reason) for event in events(database)] == [
        ("ann", "tenant-add", "clinic", "healthcare, legal"),
        ("ann", "key-add", "clinic", ""),
        ("bob", "key-revoke", "clinic", "the tenant was removed"),
        ("bob", "tenant-remove", "clinic", ""),
    ]
    assert names(database) == []


def test_a_name_that_was_removed_is_free_and_gets_another_key(database: Database) -> None:
    _, old, _ = add_tenant(database, "clinic", ["healthcare"], actor="ann")
    remove_tenant(database, "clinic", actor="ann")
    _, new, _ = add_tenant(database, "clinic", ["legal"], actor="ann")
    _, keys = tenants_and_keys(database)
    assert {key.id: key.revoked_at is None for key in keys} == {old.id: False, new.id: True}


def test_a_name_is_given_once(database: Database) -> None:
    tenant, *_ = add_tenant(database, "clinic", ["healthcare"], actor="ann")
    with pytest.raises(ConflictError) as caught:
        add_tenant(database, "clinic", ["legal"], actor="ann")
    assert str(caught.value) == "tenant clinic already exists; remove it first, or choose another name"
    assert tenants_and_keys(database)[0] == [tenant]
    assert [event.action for event in events(database)] == ["tenant-add", "key-add"]


def test_a_default_that_is_not_among_the_domains_is_refused(database: Database) -> None:
    with pytest.raises(ConflictError) as caught:
        add_tenant(database, "clinic", ["healthcare"], default="legal", actor="ann")
    assert str(caught.value) == "the default domain 'legal' is not among the tenant's domains; add it to them"
    assert names(database) == []


@pytest.mark.parametrize("name", ["admin", "nobody", "several", "postil", "demo"])
def test_a_name_that_the_log_has_for_others_is_refused(database: Database, name: str) -> None:
    with pytest.raises(KeyRefusedError, match="choose another"):
        add_tenant(database, name, ["healthcare"], actor="ann")
    assert names(database) == []


@pytest.mark.parametrize(
    ("name", "domains"),
    [("Clinic", ["healthcare"]), ("", ["healthcare"]), ("base", ["healthcare"]), ("clinic", ["Health care"]),
     ("clinic", ["healthcare", ""]), ("a/b", ["healthcare"]), ("clinic", ["healthcare/triage"])],
)  # fmt: skip
def test_a_name_that_cannot_be_one_is_refused(database: Database, name: str, domains: list[str]) -> None:
    with pytest.raises(NameInvalidError):
        add_tenant(database, name, domains, actor="ann")
    assert names(database) == []
    assert events(database) == []


def test_a_tenant_that_is_not_there_cannot_be_removed(database: Database) -> None:
    add_tenant(database, "clinic", ["healthcare"], actor="ann")
    with pytest.raises(NotFoundError) as caught:
        remove_tenant(database, "bank", actor="ann")
    assert str(caught.value) == "there is no tenant 'bank'; see `postil tenants list`"
    assert [event.action for event in events(database)] == ["tenant-add", "key-add"]


def test_a_tenant_that_is_refused_keeps_its_keys_and_is_admitted_again(database: Database) -> None:
    add_tenant(database, "clinic", ["healthcare"], actor="ann")
    refused = refuse_tenant(database, "clinic", reason="it attacks", actor="ann")
    assert refused.refused_at is not None
    assert refused.refused_reason == "it attacks"
    with pytest.raises(ConflictError, match="refused already"):
        refuse_tenant(database, "clinic", reason="again", actor="ann")
    _, keys = tenants_and_keys(database)
    assert [key.revoked_at for key in keys] == [None]
    admitted = admit_tenant(database, "clinic", reason="a mistake", actor="ann")
    assert (admitted.refused_at, admitted.refused_reason) == (None, "")
    with pytest.raises(ConflictError, match="not refused"):
        admit_tenant(database, "clinic", reason="", actor="ann")
    assert [event.action for event in events(database)][-2:] == ["tenant-refuse", "tenant-admit"]


def test_refusing_needs_a_tenant_and_a_reason(database: Database) -> None:
    with pytest.raises(NotFoundError, match="no tenant 'nobody'"):
        refuse_tenant(database, "nobody", reason="x", actor="ann")
    with pytest.raises(TextError, match="the reason is missing"):
        refuse_tenant(database, "nobody", reason="", actor="ann")
