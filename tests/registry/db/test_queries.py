from __future__ import annotations

import pytest

from postil.registry.db import queries as store
from postil.registry.db.audit_chain import GENESIS, first_break
from postil.registry.db.database import Database
from postil.registry.db.tables import Channel, Domain, Event, Release
from postil.registry.names import AdapterName

TRIAGE = AdapterName("healthcare", "triage")
CLAUSE = AdapterName("legal", "clause")


def a_release(name: AdapterName, number: int, **other: str) -> Release:
    """A row; its artifact is its number unless told otherwise."""
    release = Release(
        domain=name.domain, adapter=name.adapter, number=number, artifact=f"sha256:{number:064}", base_id="tiny/base",
        base_revision="c0ffee", policy={}, policy_digest="sha256:" + "1" * 64, validators={}, note="", actor="ann",
    )  # fmt: skip
    for field, value in other.items():
        setattr(release, field, value)
    return release


@pytest.fixture
def filled(database: Database) -> Database:
    """Two adapters, their releases written out of order."""
    with database.write() as session:
        for number in (3, 1, 2):
            session.add(a_release(TRIAGE, number))
            session.flush()
        session.add(a_release(CLAUSE, 1))
    return database


def test_releases_come_oldest_first_and_only_those_of_the_adapter(filled: Database) -> None:
    with filled.read() as session:
        assert [release.number for release in store.releases(session, TRIAGE)] == [1, 2, 3]
        assert [release.number for release in store.releases(session, CLAUSE)] == [1]
        assert store.releases(session, AdapterName("legal", "triage")) == []


def test_a_release_is_found_by_its_number(filled: Database) -> None:
    with filled.read() as session:
        found = store.release(session, TRIAGE, 2)
        assert found is not None
        assert found.artifact == f"sha256:{2:064}"
        assert store.release(session, CLAUSE, 2) is None


def test_the_next_number_is_one_more_than_the_highest(filled: Database) -> None:
    with filled.read() as session:
        assert store.next_number(session, TRIAGE) == 4
        assert store.next_number(session, AdapterName("legal", "new")) == 1


def test_adapters_are_named_once_and_in_order(filled: Database) -> None:
    with filled.read() as session:
        assert store.adapters(session) == [TRIAGE, CLAUSE]


@pytest.mark.parametrize("field", ["domain", "adapter", "artifact", "base_revision", "policy_digest"])
def test_a_release_is_the_same_only_if_everything_that_answers_is(filled: Database, field: str) -> None:
    with filled.read() as session:
        same = store.same_release(session, a_release(TRIAGE, 2, note="another", actor="bob"))
        assert same is not None
        assert same.number == 2
        assert store.same_release(session, a_release(TRIAGE, 2, **{field: "other"})) is None


def test_a_channel_is_found_by_adapter_and_name(filled: Database) -> None:
    with filled.write() as session:
        session.add(Channel(domain="healthcare", adapter="triage", name="stable", number=2))
    with filled.read() as session:
        found = store.channel(session, TRIAGE)
        assert found is not None
        assert (found.number, found.revision) == (2, 1)
        assert store.channel(session, TRIAGE, "canary") is None
        assert store.channel(session, CLAUSE) is None
        assert len(store.channels(session)) == 1


def test_domains_come_by_name(database: Database) -> None:
    with database.write() as session:
        session.add_all([Domain(name=name, default_adapter="a") for name in ("legal", "finance", "healthcare")])
    with database.read() as session:
        assert [domain.name for domain in store.domains(session)] == ["finance", "healthcare", "legal"]


def test_events_are_numbered_and_chained_from_the_first_on(database: Database) -> None:
    for subject in ("a/b", "a/c", "a/b"):
        with database.write() as session:
            store.record(session, actor="ann", action="publish", subject=subject, reason="why", after=1)
    with database.read() as session:
        events = store.events(session)
        assert [event.sequence for event in events] == [1, 2, 3]
        assert [event.previous for event in events] == [GENESIS, events[0].hash, events[1].hash]
        assert [event.sequence for event in store.events(session, "a/b")] == [1, 3]
        assert first_break(events) is None


def test_two_events_of_one_transaction_are_chained_too(database: Database) -> None:
    with database.write() as session:
        for number in range(3):
            store.record(session, actor="ann", action="publish", subject="a/b", reason="", before=number)
    with database.read() as session:
        assert first_break(store.events(session)) is None
        assert [event.before for event in store.events(session)] == [0, 1, 2]


def test_an_event_of_a_transaction_that_failed_leaves_no_gap(database: Database) -> None:
    def fail() -> None:
        with database.write() as session:
            store.record(session, actor="ann", action="publish", subject="a/b", reason="")
            session.flush()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with database.write() as session:
        store.record(session, actor="bob", action="publish", subject="a/b", reason="")
    with database.read() as session:
        assert [(event.sequence, event.actor) for event in store.events(session)] == [(1, "bob")]


def test_a_row_of_the_log_that_is_edited_in_the_database_is_found(database: Database) -> None:
    for _ in range(3):
        with database.write() as session:
            store.record(session, actor="ann", action="promote", subject="a/b", reason="", after=1)
    with database.write() as session:
        event = session.get(Event, 2)
        assert event is not None
        event.actor = "bob"
        session.add(event)
    with database.read() as session:
        assert first_break(store.events(session)) == 2
