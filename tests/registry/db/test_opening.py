"""A database that cannot be used says so when it is opened, in one sentence with the remedy."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from postil.registry.db.database import Database
from postil.registry.errors import UnavailableError


def _newer(path: Path) -> None:
    database = Database(f"sqlite:///{path}")
    database.migrate()
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999_of_the_future'")
    database.close()


def _garbage(path: Path) -> None:
    path.write_bytes(b"this is no database " * 1000)


def _broken_inside(path: Path) -> None:
    database = Database(f"sqlite:///{path}")
    database.migrate()
    database.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xaa" * (len(whole) - 4096))


def _another_programs(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE release (x INTEGER)")
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (_newer, "is of a newer version of postil: install that version again"),
        (_garbage, "is damaged, or no database: restore a backup"),
        (_broken_inside, "is damaged, or no database: restore a backup"),
        (_another_programs, "has other tables than postil makes"),
        (Path.mkdir, "cannot be opened: see that its folder is there"),
    ],
)
def test_a_database_that_cannot_be_used_says_why(tmp_path: Path, state: Callable[[Path], None], says: str) -> None:
    state(tmp_path / "postil.db")
    database = Database(f"sqlite:///{tmp_path / 'postil.db'}")
    try:
        with pytest.raises(UnavailableError, match=says):
            database.migrate()
    finally:
        database.close()


def test_one_that_is_damaged_while_it_is_used_says_so_too(tmp_path: Path) -> None:
    path = tmp_path / "postil.db"
    _broken_inside(path)
    database = Database(f"sqlite:///{path}")
    try:
        with pytest.raises(UnavailableError, match="is damaged"), database.read() as session:
            session.connection().exec_driver_sql("SELECT * FROM event")
        with pytest.raises(UnavailableError, match="is damaged"), database.write() as session:
            session.connection().exec_driver_sql("DELETE FROM event")
    finally:
        database.close()
