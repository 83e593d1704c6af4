from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text as sql

from postil.registry.accounts import keys
from postil.registry.accounts.keys import (
    KeyRequest,
    Role,
    add_key,
    in_force,
    list_keys,
    parts,
    revoke_key,
    rotate_key,
    salted,
)
from postil.registry.accounts.tenants import add_tenant, remove_tenant, tenants_and_keys
from postil.registry.db import queries as store
from postil.registry.db.audit_chain import first_break
from postil.registry.db.database import Database
from postil.registry.db.tables import Event, utcnow
from postil.registry.errors import ConflictError, KeyRefusedError, NameInvalidError, NotFoundError, TextError

DAY = timedelta(days=1)


def events(database: Database) -> list[Event]:
    """The whole log, which holds."""
    with database.read() as session:
        found = list(store.events(session))
    assert first_break(found) is None
    return found


def publisher(*domains: str, **more: Any) -> KeyRequest:
    return KeyRequest("ann", Role.PUBLISHER, domains or ("healthcare",), **more)


def test_a_key_is_long_never_the_same_and_carries_its_id(database: Database) -> None:
    made = [keys.make(publisher()) for _ in range(100)]
    for each in ({text for _, text in made}, {key.id for key, _ in made}, {key.salt for key, _ in made}):
        assert len(each) == 100
    for key, text in made:
        split = parts(text)
        assert split is not None
        assert split[0] == key.id
        assert len(split[1]) == 43, "256 bits"
        assert salted(bytes.fromhex(key.salt), split[1]).hex() == key.hash


@given(st.text(max_size=80))
def test_any_text_is_taken_apart_as_a_key_or_as_none(text: str) -> None:
    split = parts(text)
    assert split is None or f"postil_{split[0]}_{split[1]}" == text


def test_of_a_key_neither_table_nor_log_has_the_secret(database: Database) -> None:
    key, text = add_key(database, publisher(note="the pipeline"), actor="root")
    _, new, newer = rotate_key(database, key.id, DAY, actor="root")
    revoke_key(database, new.id, reason="lost", actor="root")
    kept = repr([list_keys(database).items, events(database)])
    for each in (text, newer):
        assert each.split("_", 2)[2] not in kept
    assert key.hash not in repr(events(database))


def test_every_change_is_an_event_with_the_key_in_it(database: Database) -> None:
    key, _ = add_key(database, publisher("legal", "healthcare", "legal", note="the pipeline"), actor="root")
    _, new, _ = rotate_key(database, key.id, DAY, actor="eve")
    revoke_key(database, new.id, reason="lost", actor="bob")
    added, rotated, revoked = events(database)
    assert [(each.actor, each.action, each.subject, each.reason) for each in (added, rotated, revoked)] == [
        ("root", "key-add", "ann", "the pipeline"),
        ("eve", "key-rotate", "ann", ""),
        ("bob", "key-revoke", "ann", "lost"),
    ]
    told = {"role": "publisher", "domains": ["healthcare", "legal"], "expires": None}
    assert added.details == {"key": key.id, **told}
    assert rotated.details == {"key": new.id, **told, "replaces": key.id, "until": rotated.details["until"]}
    assert revoked.details == {"key": new.id, "role": "publisher"}


def test_a_tenant_has_several_keys(database: Database) -> None:
    _, first, _ = add_tenant(database, "clinic", ["healthcare"], actor="root")
    second, _ = add_key(database, KeyRequest("clinic", note="the other site"), actor="root")
    assert [key.id for key in list_keys(database, "clinic").items] == [first.id, second.id]
    assert list_keys(database, "bank").items == []


def test_a_rotated_key_goes_on_for_the_overlap_and_the_new_one_for_as_long_as_the_old_was_good(
    database: Database,
) -> None:
    key, _ = add_key(database, publisher(lifetime=30 * DAY, note="n"), actor="root")
    old, new, _ = rotate_key(database, key.id, DAY, actor="root")
    now = utcnow()
    assert in_force(old, now)
    assert in_force(new, now)
    assert old.expires_at is not None
    assert new.expires_at is not None
    assert timedelta(hours=23) < old.expires_at - now <= DAY
    assert timedelta(days=29) < new.expires_at - now <= 30 * DAY
    assert (new.owner, new.role, new.domains, new.note) == (old.owner, old.role, old.domains, old.note)
    with database.read() as session:
        assert store.keys(session) == [old, new]


def test_an_overlap_never_makes_a_key_good_for_longer(database: Database) -> None:
    key, _ = add_key(database, publisher(lifetime=timedelta(hours=1)), actor="root")
    old, _, _ = rotate_key(database, key.id, DAY, actor="root")
    assert old.expires_at == key.expires_at


def test_without_overlap_the_old_key_ends_at_once(database: Database) -> None:
    key, _ = add_key(database, publisher(), actor="root")
    old, new, _ = rotate_key(database, key.id, timedelta(0), lifetime=DAY, actor="root")
    assert not in_force(old, utcnow())
    assert new.expires_at is not None
    with pytest.raises(ConflictError, match="no longer in force"):
        rotate_key(database, key.id, DAY, actor="root")


def test_a_key_is_replaced_once(database: Database) -> None:
    key, _ = add_key(database, publisher(), actor="root")
    other, _ = add_key(database, publisher(), actor="root")
    old, new, _ = rotate_key(database, key.id, DAY, actor="root")
    for lifetime in (None, 90 * DAY):
        with pytest.raises(ConflictError) as caught:
            rotate_key(database, key.id, DAY, lifetime=lifetime, actor="root")
        assert str(caught.value) == f"key {key.id} was replaced by {new.id} already; rotate that one"
    assert {each.id: each.expires_at for each in list_keys(database).items} == {
        old.id: old.expires_at,
        other.id: None,
        new.id: None,
    }
    assert [event.action for event in events(database)] == ["key-add", "key-add", "key-rotate"]
    _, newer, _ = rotate_key(database, new.id, DAY, actor="root")
    assert newer.expires_at is None
    rotate_key(database, other.id, DAY, actor="root")


def test_a_key_is_revoked_once(database: Database) -> None:
    key, _ = add_key(database, publisher(), actor="root")
    assert not in_force(revoke_key(database, key.id, actor="root"), utcnow())
    with pytest.raises(ConflictError, match=rf"key {key.id} was revoked at .* already"):
        revoke_key(database, key.id, actor="root")
    with pytest.raises(ConflictError, match="postil keys add"):
        rotate_key(database, key.id, DAY, actor="root")
    assert [event.action for event in events(database)] == ["key-add", "key-revoke"]


def test_a_key_that_is_not_there_is_neither_rotated_nor_revoked(database: Database) -> None:
    with pytest.raises(NotFoundError, match="postil keys list"):
        revoke_key(database, "none", actor="root")
    with pytest.raises(NotFoundError, match="postil keys list"):
        rotate_key(database, "none", DAY, actor="root")


def test_a_removed_tenants_keys_cannot_be_renewed(database: Database) -> None:
    with pytest.raises(NotFoundError, match="there is no tenant 'clinic'"):
        add_key(database, KeyRequest("clinic"), actor="root")
    assert events(database) == []


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (publisher(lifetime=timedelta(0)), "in the future"),
        (publisher(lifetime=timedelta(days=4000)), "ten years"),
        (KeyRequest("ann", Role.PUBLISHER), "name at least one"),
        (KeyRequest("ann", Role.REVIEWER), "name at least one"),
        (KeyRequest("ann", Role.ADMIN, ["healthcare"]), "leave them out"),
        (KeyRequest("ann", Role.VIEWER, ["healthcare"]), "leave them out"),
        (KeyRequest("admin", Role.ADMIN), "cannot own a key"),
        (KeyRequest("Postil", Role.VIEWER), "cannot own a key"),
        (KeyRequest("", Role.VIEWER), "cannot own a key"),
        (KeyRequest("a/b", Role.VIEWER), "cannot own a key"),
        (KeyRequest("a" * 65, Role.VIEWER), "cannot own a key"),
    ],
)
def test_a_key_that_cannot_be_is_refused(database: Database, wanted: KeyRequest, says: str) -> None:
    with pytest.raises(KeyRefusedError, match=says):
        add_key(database, wanted, actor="root")
    assert list_keys(database).items == []
    assert events(database) == []


def test_names_and_notes_that_cannot_be_kept_are_refused(database: Database) -> None:
    with pytest.raises(NameInvalidError):
        add_key(database, publisher("No Domain"), actor="root")
    with pytest.raises(TextError):
        add_key(database, publisher(note="\0"), actor="root")
    with pytest.raises(KeyRefusedError, match="between 0 and ten years"):
        rotate_key(database, "none", -DAY, actor="root")
    assert list_keys(database).items == []


@pytest.fixture
def before(empty_url: str) -> Iterator[Database]:
    """A database of version 0004 with a tenant, whose key is ``psk-of-old``."""
    database = Database(empty_url)
    database.migrate("0004")
    values = {"hash": hashlib.sha256(b"psk-of-old").hexdigest(), "at": datetime(2026, 1, 1, tzinfo=UTC).isoformat()}
    with database.engine.begin() as connection:
        insert = "INSERT INTO tenant VALUES ('clinic', '[\"healthcare\"]', 'healthcare', :hash, 'psk-of-o', :at)"
        connection.execute(sql(insert), values)
    yield database
    database.close()


def test_keys_from_before_are_kept_as_they_were(before: Database) -> None:
    before.migrate()
    (tenant,), (key,) = tenants_and_keys(before)
    assert (tenant.name, key.owner, key.role, key.prefix, key.salt) == ("clinic", "clinic", "tenant", "psk-of-o", "")
    assert key.hash == hashlib.sha256(b"psk-of-old").hexdigest()
    assert key.created_at == datetime(2026, 1, 1, tzinfo=UTC)
    old, new, _ = rotate_key(before, key.id, DAY, actor="root")
    assert old.id == key.id
    assert new.salt


def test_what_was_kept_of_a_key_before_is_what_it_hashes_to() -> None:
    assert keys.unsalted("psk-of-old") == hashlib.sha256(b"psk-of-old").hexdigest()


def test_a_key_from_before_is_found_by_the_id_that_it_was_given(before: Database) -> None:
    before.migrate()
    (key,) = list_keys(before).items
    assert keys.id_of_old("psk-of-old") == key.id


def test_a_removed_tenants_keys_are_revoked_and_those_that_were_stay_so(database: Database) -> None:
    _, first, _ = add_tenant(database, "clinic", ["healthcare"], actor="root")
    second, _ = add_key(database, KeyRequest("clinic"), actor="root")
    earlier = revoke_key(database, first.id, actor="root").revoked_at
    staff, _ = add_key(database, KeyRequest("clinic", Role.VIEWER), actor="root")
    remove_tenant(database, "clinic", actor="root")
    left = {key.id: key.revoked_at for key in list_keys(database).items}
    assert left[first.id] == earlier
    assert left[second.id] is not None
    assert left[staff.id] is None, "called alike, and another"


def test_going_back_keeps_the_keys_of_old_and_lets_no_other_in(before: Database) -> None:
    before.migrate()
    add_tenant(before, "bank", ["finance"], actor="root")
    before.downgrade("0004")
    with before.engine.connect() as connection:
        rows = connection.execute(sql("SELECT name, key_hash, key_prefix FROM tenant ORDER BY name")).all()
    assert list(map(tuple, rows)) == [
        ("bank", "bank", ""),
        ("clinic", hashlib.sha256(b"psk-of-old").hexdigest(), "psk-of-o"),
    ]


@pytest.mark.parametrize("how", ["revoked", "expiring"])
def test_going_back_does_not_bring_back_what_was_taken(before: Database, how: str) -> None:
    before.migrate()
    (key,) = list_keys(before).items
    if how == "revoked":
        revoke_key(before, key.id, actor="root")
    else:
        rotate_key(before, key.id, DAY, actor="root")
    before.downgrade("0004")
    with before.engine.connect() as connection:
        assert connection.execute(sql("SELECT key_hash FROM tenant")).scalar_one() == "clinic"
