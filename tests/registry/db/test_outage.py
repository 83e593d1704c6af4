"""A database or a disk that takes nothing is said in one sentence, without what the driver says of machines."""

from __future__ import annotations

import errno
import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError

from postil.registry.db.database import Database
from postil.registry.db.outage import after_a_change, disk_trouble, unavailable
from postil.registry.errors import UnavailableError


@pytest.mark.parametrize(
    ("driver", "says"),
    [
        ("database is locked", "is locked by somebody else"),
        ("database or disk is full", "has no room left"),
        ("could not extend file: No space left on device", "has no room left"),
        ("disk I/O error", "cannot write to its disk"),
        ("attempt to write a readonly database", "may only be read"),
        ("cannot execute UPDATE in a read-only transaction", "may only be read"),
        ('connection to server at "db.internal" failed', "does not answer"),
    ],
)
def test_what_the_driver_says_becomes_a_sentence(driver: str, says: str) -> None:
    said = str(unavailable(OperationalError("UPDATE", {}, Exception(driver)), committing=False))
    assert says in said
    assert "nothing was changed" in said
    assert "db.internal" not in said


def test_where_the_connection_breaks_while_the_end_is_written_nothing_is_promised() -> None:
    error = OperationalError("COMMIT", {}, Exception("server closed the connection"), connection_invalidated=True)
    assert "look whether this was done" in str(unavailable(error, committing=True))


def test_what_fails_only_when_it_is_read_back_was_done_all_the_same() -> None:
    with pytest.raises(UnavailableError) as caught, after_a_change():
        raise UnavailableError("the database does not answer: see that it runs; nothing was changed; try again")
    said = "it was done; but then the database does not answer: see that it runs. It is in force when that answers"
    assert str(caught.value) == said


def test_a_locked_file_is_no_traceback_and_works_again_afterwards(tmp_path: object) -> None:
    database = Database(f"sqlite:///{tmp_path}/registry.db")
    with database.write() as session:
        session.connection().exec_driver_sql("CREATE TABLE kept (number INTEGER)")
        session.connection().exec_driver_sql("PRAGMA busy_timeout=10")
    with closing(sqlite3.connect(f"{tmp_path}/registry.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(UnavailableError, match="locked"):
            keep(database)
        other.execute("ROLLBACK")
    keep(database)
    database.close()


def keep(database: Database) -> None:
    with database.write() as session:
        session.connection().exec_driver_sql("INSERT INTO kept VALUES (1)")


def test_a_postgresql_that_ends_the_connection_is_said_and_found_again(postgres: str) -> None:
    url = postgres.replace("postgresql://", "postgresql+psycopg://")
    database, other = Database(url), Database(url)
    with pytest.raises(UnavailableError, match="does not answer"):
        lose_its_connection(database, other)
    with database.read() as session:
        assert session.connection().scalar(text("SELECT 1")) == 1
    database.close()
    other.close()


def lose_its_connection(database: Database, other: Database) -> None:
    with database.write() as session:
        pid = session.connection().scalar(text("SELECT pg_backend_pid()"))
        with other.write() as killing:
            killing.connection().execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        session.connection().execute(text("SELECT 1"))


def test_a_database_that_is_not_there_is_unavailable() -> None:
    nowhere = make_url("postgresql+psycopg://nobody@127.0.0.1:1/none")
    with pytest.raises(UnavailableError, match="does not answer"):
        Database(str(nowhere)).migrate()


@pytest.mark.parametrize(
    ("number", "says"),
    [(errno.ENOSPC, "full"), (errno.EDQUOT, "quota"), (errno.EROFS, "only be read"), (errno.EACCES, "may not write")],
)
def test_a_disk_that_takes_nothing_is_said_without_its_path(number: int, says: str) -> None:
    said = disk_trouble(OSError(number, "no", "/secret/path"))
    assert said is not None
    assert says in said
    assert "/secret" not in said


def test_another_error_is_not_taken_for_the_disk() -> None:
    assert disk_trouble(OSError(errno.ENOENT, "no")) is None
