"""The database: one engine, sessions whose edge is the one place that commits, and the migrations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import alembic.command
from alembic.config import Config
from sqlalchemy import URL, Engine, event, make_url
from sqlmodel import Session, create_engine

from postil.registry.db.outage import LOST, is_outage, unavailable

# To connect, and to be heard at all: a machine that vanished closes no connection.
_CONNECT_SECONDS = "5"


class Database:
    """SQLite in WAL mode (``sqlite:///file``) or PostgreSQL (``postgresql+psycopg://...``)."""

    def __init__(self, url: str) -> None:
        self.engine: Engine = create_engine(url, **_options(make_url(url)))
        if self.engine.dialect.name == "sqlite":
            _as_wal(self.engine)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One transaction: committed when the block ends, rolled back if it raises.

        Raises UnavailableError where the database does not answer, or takes nothing.
        """
        committing = False
        try:
            with Session(self.engine, expire_on_commit=False) as session, session.begin():
                yield session
                committing = True
        except LOST as error:
            if not is_outage(error):
                raise
            raise unavailable(error, committing=committing) from error

    def migrate(self, revision: str = "head") -> None:
        """Bring the tables up to ``revision`` (or, with ``downgrade``, see Alembic) of the migrations shipped here."""
        try:
            with self.engine.begin() as connection:
                alembic.command.upgrade(alembic_config(connection), revision)
        except LOST as error:
            if not is_outage(error):
                raise
            raise unavailable(error, committing=False) from error

    def downgrade(self, revision: str) -> None:
        """Take the tables back to ``revision``; ``base`` empties the database."""
        with self.engine.begin() as connection:
            alembic.command.downgrade(alembic_config(connection), revision)

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def alembic_config(connection: Any) -> Config:
    """Alembic's configuration for the migrations in this package, on an open connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(str(resources.files("postil.registry.db"))) / "migrations"))
    config.attributes["connection"] = connection
    return config


def _options(url: URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {}
    patience = {} if "connect_timeout" in url.query else {"connect_timeout": _CONNECT_SECONDS}
    return {"pool_pre_ping": True, "connect_args": patience}


def _as_wal(engine: Engine) -> None:
    """A transaction takes the write lock when it begins, so that two never deadlock half-way."""

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
