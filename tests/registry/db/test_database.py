from __future__ import annotations

import os
import sqlite3
import stat
import threading
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from postil.registry.db import database as database_module
from postil.registry.db.database import Database
from postil.registry.db.queries import domains, lock_for_writing, record, release
from postil.registry.db.tables import Domain, Event, Release, utcnow
from postil.registry.names import AdapterName
from postil.registry.reviews import retention


def names(database: Database) -> list[str]:
    """The domains that are committed."""
    with database.read() as session:
        return [domain.name for domain in domains(session)]


def test_a_transaction_is_committed_when_it_ends(database: Database) -> None:
    with database.write() as session:
        session.add(Domain(name="legal", default_adapter="clause"))
    assert names(database) == ["legal"]


def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    def act() -> None:
        with database.write() as session:
            session.add(Domain(name="legal", default_adapter="clause"))
            session.flush()
            raise KeyError

    with pytest.raises(KeyError):
        act()
    assert names(database) == []


def test_a_statement_that_writes_in_a_read_fails_loudly_and_leaves_nothing(database: Database) -> None:
    def act() -> None:
        with database.read() as session:
            session.add(Domain(name="legal", default_adapter="clause"))

    with pytest.raises(RuntimeError, match=r"writes inside Database\.read\(\); use Database\.write\(\)"):
        act()
    assert names(database) == []
    with database.write() as session:  # On the same connection.
        session.add(Domain(name="legal", default_adapter="clause"))
    assert names(database) == ["legal"]


def test_a_promote_waits_for_no_read_and_a_read_sees_one_state(database: Database) -> None:
    with database.read() as session:
        assert domains(session) == []
        with database.write() as other:
            lock_for_writing(other)
            other.add(Domain(name="legal", default_adapter="clause"))
        assert domains(session) == []
    assert names(database) == ["legal"]


def test_a_read_waits_for_no_writer(database: Database) -> None:
    with database.write() as session:
        lock_for_writing(session)
        session.add(Domain(name="legal", default_adapter="clause"))
        session.flush()
        assert names(database) == []


def test_a_table_that_is_not_there_is_no_outage(database: Database) -> None:
    with pytest.raises(DBAPIError), database.read() as session:
        session.connection().exec_driver_sql("SELECT * FROM nowhere")
    assert names(database) == []


def test_a_row_can_be_read_after_its_transaction(database: Database) -> None:
    with database.write() as session:
        domain = Domain(name="legal", default_adapter="clause")
        session.add(domain)
    assert domain.name == "legal"


def test_sqlite_writes_ahead_and_through_to_the_disk(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'registry.db'}")
    wanted = {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 2}
    with database.engine.connect() as connection:
        assert {key: connection.execute(text(f"PRAGMA {key}")).scalar() for key in wanted} == wanted
    database.close()


def test_writers_come_one_after_the_other(database: Database) -> None:
    """Each reads what is there, and writes one more: two at once would write the same."""
    start = threading.Barrier(4)

    def act() -> None:
        start.wait()
        for _ in range(5):
            with database.write() as session:
                lock_for_writing(session)
                session.add(Domain(name=f"d{len(domains(session))}", default_adapter="a"))

    threads = [threading.Thread(target=act) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names(database), key=lambda name: int(name[1:])) == [f"d{number}" for number in range(20)]


def test_times_are_the_same_instant_when_they_are_read_back(database: Database) -> None:
    before = utcnow()
    with database.write() as session:
        record(session, actor="ann", action="publish", subject="a/b", reason="")
    with database.read() as session:
        event = session.get(Event, 1)
    assert event is not None
    assert event.at.utcoffset() is not None
    assert before <= event.at.astimezone(UTC) <= before + timedelta(minutes=5)


def a_release(number: int = 1, *, artifact: str = "sha256:" + "0" * 64, note: str = "") -> Release:
    """A row that fits the table."""
    return Release(
        domain="legal", adapter="clause", number=number, artifact=artifact, base_id="tiny/base", base_revision="c0ffee",
        policy={"größe": [1, 2.5, None, "\u2028 \U0001f600"]}, policy_digest="sha256:" + "1" * 64,
        validators={"labels": "1"}, note=note, actor="ann",
    )  # fmt: skip


def test_json_and_odd_text_come_back_as_they_went_in(database: Database) -> None:
    with database.write() as session:
        session.add(a_release(note="zwei\nZeilen \U0001f600 '; DROP TABLE release; --"))
    with database.read() as session:
        found = release(session, AdapterName("legal", "clause"), 1)
    assert found is not None
    assert found.policy == {"größe": [1, 2.5, None, "\u2028 \U0001f600"]}
    assert found.note == "zwei\nZeilen \U0001f600 '; DROP TABLE release; --"


@pytest.mark.parametrize(
    ("number", "artifact"), [(1, "sha256:" + "2" * 64), (2, "sha256:" + "0" * 64)], ids=["number", "content"]
)
def test_the_database_itself_refuses_a_release_twice(database: Database, number: int, artifact: str) -> None:
    with database.write() as session:
        session.add(a_release())

    def act() -> None:
        with database.write() as session:
            session.add(a_release(number, artifact=artifact))

    with pytest.raises(IntegrityError):
        act()


def test_a_new_database_file_is_its_owners_alone_and_so_is_what_stands_beside_it(tmp_path: Path) -> None:
    before = os.umask(0o000)
    try:
        database = Database(f"sqlite:///{tmp_path / 'new.db'}")
        database.migrate()
        with database.write() as session:
            session.add(Domain(name="legal", default_adapter="clause"))
        assert {path.name for path in tmp_path.iterdir()} >= {"new.db", "new.db-wal"}
        assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    finally:
        os.umask(before)


def test_what_is_deleted_stands_in_no_file_of_sqlite_any_more(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'new.db'}")
    database.migrate()
    with database.write() as session:
        session.add(Domain(name="legal", default_adapter="a-patients-words"))
    with database.write() as session:
        session.delete(session.get_one(Domain, "legal"))
    assert database.scrub()
    assert not any(b"a-patients-words" in path.read_bytes() for path in tmp_path.iterdir())


def test_what_somebody_reads_while_it_is_deleted_is_said_to_stay_and_leaves_with_the_next_deletion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(database_module, "_SCRUB_MS", 10)
    database = Database(f"sqlite:///{tmp_path / 'new.db'}")
    database.migrate()
    with database.write() as session:
        session.add(Domain(name="legal", default_adapter="a-patients-words"))
    with database.read() as reading:
        assert reading.get(Domain, "legal") is not None
        with database.write() as session:
            session.delete(session.get_one(Domain, "legal"))
        assert not database.scrub()
    assert caplog.messages == [
        "what was deleted is still in SQLite's log, as somebody reads the database; it is tried again"
    ]
    assert any(b"a-patients-words" in path.read_bytes() for path in tmp_path.iterdir())
    assert retention.expire(database, utcnow(), 90) == 0
    assert not any(b"a-patients-words" in path.read_bytes() for path in tmp_path.iterdir())
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 10_000
    database.close()


def test_a_database_in_memory_makes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    database = Database("sqlite://")
    with database.read() as session:
        session.execute(text("SELECT 1"))
    assert not list(tmp_path.iterdir())
    database.close()


def test_only_sqlite_has_a_log_to_scrub(database: Database) -> None:
    assert database.scrub()
    assert names(database) == []


def test_what_is_in_use_at_the_close_goes_on_and_leaves_no_connection(database: Database) -> None:
    with database.read() as session:
        used: Any = session.connection().connection.dbapi_connection
        database.close()
        assert session.execute(text("SELECT 1")).scalar() == 1
    with pytest.raises((sqlite3.ProgrammingError, psycopg.OperationalError), match="closed"):
        used.execute("SELECT 1")
    assert names(database) == []
    with database.read() as session:
        kept: Any = session.connection().connection.dbapi_connection
    assert kept.execute("SELECT 1").fetchone()[0] == 1, "opened again, it keeps connections as before"
