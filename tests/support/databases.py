"""A database with the tables, made once in each process that runs tests: to make them takes longer than most tests."""

from __future__ import annotations

import functools
import os
import tempfile
from pathlib import Path

from postil.registry.db.database import Database


@functools.cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "template.db")
        database = Database(f"sqlite:///{path}")
        database.migrate()
        database.close()
        return path.read_bytes()


def write_sqlite(path: Path) -> Path:
    """Write a SQLite file that has the tables and nothing in them; returns its path."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(_migrated())
    return path


def prepare_home(home: Path) -> None:
    """Give a gateway that never ran a database with the tables."""
    if not home.exists():
        write_sqlite(home / "postil.db")
