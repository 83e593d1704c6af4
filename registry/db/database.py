"""The database: transactions that read or write, committed in one place, and migrations."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any

import alembic.command
from alembic.config import Config
from sqlalchemy import URL, Engine, event, exc, make_url
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel import Session, create_engine

from postil.registry.db.outage import (
    LOST,
    damaged,
    is_damaged,
    is_outage,
    is_write_in_snapshot,
    unavailable,
    while_opening,
)

log = logging.getLogger(__name__)
# To connect, and to be heard at all: a machine that vanished closes no connection.
_CONNECT_SECONDS = "5"
# For more threads than a gateway has, so that none waits for another's connection; closed again after use.
_CONNECTIONS = 59
# What is deleted is overwritten: reviews hold people's texts.
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON")
# How long a writer waits for another, and how long writers are held up for readers of what was deleted.
_BUSY_MS, _SCRUB_MS = 10_000, 1_000
# The option of a connection whose transactions only read.
_READS = "postil_reads"


class Database:
    """SQLite in WAL mode (``sqlite:///file``) or PostgreSQL (``postgresql+psycopg://...``)."""

    def __init__(self, url: str) -> None:
        self.engine: Engine = create_engine(url, **_options(make_url(url)))
        # PostgreSQL's statements each see another state unless told to see one.
        self._reading: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        if self.engine.dialect.name == "sqlite":
            self._reading = {_READS: True}
            _as_wal(self.engine)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction that may write: committed when the block ends, rolled back if it raises.

        On SQLite it waits for other writers before it begins. Raises UnavailableError where the database does not
        answer, or takes nothing.
        """
        with _session(self.engine) as session:
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One state of the database, which writers neither change nor wait for.

        A statement that writes raises RuntimeError. Raises UnavailableError where the database does not answer.
        """
        with _session(self.engine, self._reading) as session:
            yield session

    def migrate(self, revision: str = "head") -> None:
        """Bring the tables up to ``revision`` (or, with ``downgrade``, see Alembic) of the migrations shipped here.

        Raises UnavailableError if the database is away, damaged, somebody else's or of a newer version.
        """
        with while_opening(), self.engine.begin() as connection:
            alembic.command.upgrade(alembic_config(connection), revision)

    def downgrade(self, revision: str) -> None:
        """Take the tables back to ``revision``; ``base`` empties the database."""
        with self.engine.begin() as connection:
            alembic.command.downgrade(alembic_config(connection), revision)

    def scrub(self) -> bool:
        """Take what was deleted out of SQLite's write-ahead log too; returns whether that worked.

        What somebody still reads stays there, and the log says so: the next call takes it out.
        """
        if self.engine.dialect.name != "sqlite":
            return True
        with self.engine.connect() as connection:
            cursor = connection.connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout={_SCRUB_MS}")  # Meanwhile nobody can write.
            try:
                busy, *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                cursor.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
        if busy:
            log.warning("what was deleted is still in SQLite's log, as somebody reads the database; it is tried again")
        return not busy

    def close(self) -> None:
        """Close all connections; those that are in use close at the end of what they do."""
        pool = self.engine.pool
        self.engine.dispose()
        # Afterwards, for the pool that takes its place inherits what is listened to.
        event.listen(pool, "checkin", _closed)


def _closed(connection: object, record: ConnectionPoolEntry) -> None:
    record.invalidate()


@contextmanager
def _session(engine: Engine, reading: Mapping[str, Any] | None = None) -> Iterator[Session]:
    committing = False
    try:
        with Session(engine, expire_on_commit=False) as session, session.begin():
            if reading is not None:
                session.connection(execution_options=reading)
            yield session
            committing = True
    except LOST as error:
        if reading is not None and is_write_in_snapshot(error):
            raise RuntimeError("a statement writes inside Database.read(); use Database.write()") from error
        if not is_outage(error):
            raise
        raise unavailable(error, committing=committing) from error
    except exc.DatabaseError as error:
        if not is_damaged(error):
            raise
        raise damaged(error) from error


def alembic_config(connection: Any) -> Config:
    """Alembic's configuration for the migrations in this package, on an open connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(str(resources.files("postil.registry.db"))) / "migrations"))
    config.attributes["connection"] = connection
    return config


def _options(url: URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        in_memory = url.database in (None, "", ":memory:")  # One connection, which no pool shares out.
        return {} if in_memory else {"max_overflow": _CONNECTIONS}
    patience = {} if "connect_timeout" in url.query else {"connect_timeout": _CONNECT_SECONDS}
    return {"pool_pre_ping": True, "connect_args": patience, "max_overflow": _CONNECTIONS}


def _as_wal(engine: Engine) -> None:
    """A transaction that writes takes the write lock when it begins, so that two never deadlock half-way.

    One that reads takes none, and sees the state as of its first statement.
    """

    @event.listens_for(engine, "do_connect")
    def private(_dialect: Any, _record: Any, arguments: list[Any], _options: dict[str, Any]) -> None:
        # The files beside it (WAL) get the modes of this one. It is never opened here once it exists: to close it
        # again would take SQLite's locks away.
        if os.path.isabs(arguments[0]):  # SQLite itself says what is wrong with a path that it cannot open.
            with suppress(OSError):
                os.close(os.open(arguments[0], os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in (*_PRAGMAS, f"busy_timeout={_BUSY_MS}"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        reads = connection.get_execution_options().get(_READS, False)
        # Said each time: readers and writers share the connections.
        connection.exec_driver_sql(f"PRAGMA query_only={'ON' if reads else 'OFF'}")
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
