"""From the tables before channels to those with them and back, with data in them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import MetaData, String, Table, column, insert, inspect, select, table
from sqlalchemy.types import TypeEngine
from sqlmodel import SQLModel

from postil.registry.db import queries as store
from postil.registry.db.audit_chain import GENESIS
from postil.registry.db.database import Database
from postil.registry.db.tables import Event
from postil.registry.names import AdapterName
from postil.registry.policy.digest import digest_of
from postil.registry.releases import audit, channels, history
from postil.registry.releases import shadow_agreement as agreements
from postil.registry.releases.channels import CANARY, SHADOW
from postil.registry.releases.domains import SET_DEFAULT
from postil.registry.releases.shadow_agreement import Compared

TRIAGE = AdapterName("healthcare", "triage")
Rows = dict[str, list[dict[str, Any]]]
_SINCE_GONE: dict[str, TypeEngine[Any]] = {"key_hash": String(64), "key_prefix": String(16)}
_AT = datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)


@pytest.fixture
def old(empty_url: str) -> Iterator[Database]:
    """A database of version 0001 in use: two releases, the second live, a tenant, and the log of how it came to be."""
    database = Database(empty_url)
    try:
        database.migrate("0001")
        with database.engine.begin() as connection:
            for name, rows in _old_rows().items():
                # The types of today's tables, the columns of those days.
                today = {each.name: each.type for each in SQLModel.metadata.tables[name].columns} | _SINCE_GONE
                connection.execute(insert(table(name, *(column(each, today[each]) for each in rows[0]))), rows)
        yield database
    finally:
        database.close()


def _old_rows() -> Rows:
    release = {
        "domain": "healthcare", "adapter": "triage", "base_id": "tiny/base", "base_revision": "sha256:b", "policy": {},
        "policy_digest": digest_of({}), "validators": {"labels": "1"}, "note": "größer", "actor": "ann",
        "created_at": _AT,
    }  # fmt: skip
    at = {"domain": "healthcare", "adapter": "triage"}
    return {
        "domain": [{"name": "healthcare", "default_adapter": "triage"}],
        "release": [{"id": number, "number": number, "artifact": f"sha256:{number}", **release} for number in (1, 2)],
        "channel": [{**at, "name": "stable", "number": 2, "revision": 2, "moved_at": _AT}],
        "tenant": [
            {"name": "clinic", "domains": ["healthcare"], "default_domain": "healthcare", "key_hash": "h",
             "key_prefix": "psk-abcd", "created_at": _AT}
        ],
        "event": _old_log(),
    }  # fmt: skip


def _old_log() -> list[dict[str, Any]]:
    """Events as version 0001 sealed them."""
    triage = "healthcare/triage"
    acts = [
        ("tenant-add", "clinic", None, None),
        ("publish", triage, None, 1),
        ("promote", triage, None, 1),
        ("publish", triage, None, 2),
        ("promote", triage, 1, 2),
    ]
    rows: list[dict[str, Any]] = []
    for sequence, (action, subject, before, after) in enumerate(acts, 1):
        row = {
            "sequence": sequence, "at": _AT + timedelta(seconds=sequence), "actor": "ann", "action": action,
            "subject": subject, "reason": "größer", "before": before, "after": after,
            "previous": rows[-1]["hash"] if rows else GENESIS,
        }  # fmt: skip
        text = json.dumps([value.isoformat() if isinstance(value, datetime) else value for value in row.values()])
        rows.append({**row, "hash": hashlib.sha256(text.encode()).hexdigest()})
    return rows


def contents(database: Database) -> Rows:
    """Every row of every table, Alembic's own left out."""
    found: Rows = {}
    with database.engine.connect() as connection:
        for name in inspect(connection).get_table_names():
            if name != "alembic_version":
                each = Table(name, MetaData(), autoload_with=connection)
                rows = connection.execute(select(each).order_by(*each.primary_key.columns)).mappings()
                found[name] = [dict(row) for row in rows]
    return found


def test_what_was_there_before_is_there_after(old: Database) -> None:
    old.migrate()
    with old.read() as session:
        (stable,) = store.channels(session)
        releases, pins = store.releases(session, TRIAGE), store.pins(session)
        assert [tenant.name for tenant in store.tenants(session)] == ["clinic"]
    assert (stable.name, stable.number, stable.revision, stable.weight) == ("stable", 2, 2, 100)
    kept = [(release.number, release.source, release.note) for release in releases]
    assert kept == [(1, "", "größer"), (2, "", "größer")]
    assert pins == []
    assert agreements.of(old, TRIAGE) == []


def test_events_that_were_sealed_before_there_were_details_still_verify(old: Database) -> None:
    old.migrate()
    assert audit.verify(old) == audit.Report(5, None, [])
    assert {type(event.details) for event in history.log(old)} == {dict}


def test_the_chain_goes_on_over_the_migration(old: Database) -> None:
    old.migrate()
    channels.point(old, TRIAGE.release(1), CANARY, 10, reason="", actor="ann")
    assert audit.verify(old) == audit.Report(6, None, [])
    with old.write() as session:
        first = session.get(Event, 1)
        assert first is not None
        first.reason = "another"
    assert audit.verify(old).first_break == 1


def test_up_down_and_up_again_loses_nothing(old: Database) -> None:
    before = contents(old)
    old.migrate()
    old.downgrade("0001")
    assert contents(old) == before
    old.migrate()
    assert audit.verify(old).first_break is None


def test_what_is_done_on_the_way_is_kept_on_the_way_back(old: Database) -> None:
    old.migrate()
    with old.write() as session:
        store.record(session, actor="bob", action=SET_DEFAULT, subject=str(TRIAGE), reason="")
    old.downgrade("0001")
    assert [row["actor"] for row in contents(old)["event"]] == ["ann"] * 5 + ["bob"]
    old.migrate()
    assert audit.verify(old) == audit.Report(6, None, [])


@pytest.mark.parametrize("act", ["canary", "pin", "ended"])
def test_events_that_0001_could_not_verify_are_not_cut_short(old: Database, act: str) -> None:
    old.migrate()
    if act == "pin":
        channels.pin(old, "clinic", TRIAGE.release(1), reason="", actor="ann")
    else:
        channels.point(old, TRIAGE.release(1), SHADOW, 10, reason="", actor="ann")
        agreements.add(old, {Compared(TRIAGE.release(2), TRIAGE.release(1), "agreed"): 3})
    if act == "ended":
        channels.clear(old, TRIAGE, SHADOW, reason="", actor="ann")
    before = contents(old)
    with pytest.raises(RuntimeError) as caught:
        old.downgrade("0001")
    assert str(caught.value) == (
        "the log has events of canaries, shadows, pins or keys, which version 0001 cannot verify; go back by a backup"
    )
    assert contents(old) == before
    assert audit.verify(old).first_break is None
    channels.pin(old, "other", TRIAGE.release(1), reason="still at work", actor="ann")
