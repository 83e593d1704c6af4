"""Follows changes in the database that others made: another gateway, or a command without one.

On PostgreSQL each event announces itself when its transaction commits (``store.record``), and is seen in milliseconds.
An announcement is only a reason to look: what happened is always read from the log, from the last event that was
handled on, so that nothing is lost with a connection, and looking now and then is enough where nothing is announced.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any, Protocol
from urllib.parse import quote

import psycopg
from sqlalchemy import URL, make_url

from postil.registry.backoff import Backoff
from postil.registry.db.queries import CHANNEL

log = logging.getLogger(__name__)

_CHANGED = "SELECT max(sequence), subject FROM event WHERE sequence > {} GROUP BY subject"
_ANSWER_SECONDS = 10.0
_BACKOFF = Backoff(0.05, 5.0)
# A machine that vanished closes no connection: the kernel has to ask after it.
_KEEPALIVE = {"connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
_LOST = (psycopg.Error, sqlite3.Error, OSError)


class ChangeFeed:
    """What changed in one database, by the subjects of its events: adapters and tenants.

    ``after`` is the sequence number of the last event that is known already: take it with ``store.newest`` before
    reading the state that is to be kept up to date, and nothing falls in between.
    """

    def __init__(self, database_url: str, *, poll_seconds: float = 1.0, after: int = 0) -> None:
        self._url = make_url(database_url)
        self._poll_seconds = poll_seconds
        self._handled = after

    @property
    def handled(self) -> int:
        """The sequence number of the last event that was handled."""
        return self._handled

    async def changes(self) -> AsyncGenerator[set[str], None]:
        """The subjects of new events, as they come; without end, whatever becomes of the database.

        Events count as handled when the next ones are asked for: after an error of the caller's, another ``changes``
        hands them out again. Close it (``contextlib.aclosing``), and the connection is closed.
        """
        failures = 0
        while True:
            try:
                async with _connected(self._url) as source:
                    while True:
                        newest, subjects = await _asked(source, self._handled)
                        failures = 0
                        if subjects:
                            yield subjects
                            self._handled = newest
                        else:
                            await source.wait(self._poll_seconds)
            except _LOST as error:
                why = " ".join(str(error).split()) or type(error).__name__
                failures += 1
                level = logging.WARNING if failures == 1 else logging.DEBUG  # It is said once.
                log.log(level, "the database cannot be asked for changes (%s); trying until it can", why)
            await asyncio.sleep(_BACKOFF.pause(failures))


class _Source(Protocol):
    """How events are read and waited for on one kind of database."""

    async def ask(self, after: int) -> list[tuple[int, str]]:
        """The newest sequence number beyond ``after`` of every subject that has one."""
        ...

    async def wait(self, seconds: float) -> None:
        """Wait until there may be new events, or the time is over."""
        ...


class _Postgres:
    """Reads events and waits for announcements on one PostgreSQL connection."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection

    async def ask(self, after: int) -> list[tuple[int, str]]:
        cursor = await self._connection.execute(_CHANGED.format("%s"), [after])
        return await cursor.fetchall()

    async def wait(self, seconds: float) -> None:
        async for _ in self._connection.notifies(timeout=seconds, stop_after=1):
            pass


class _Sqlite:
    """Polls, because SQLite announces nothing. Each look takes some hundred microseconds in a thread."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def ask(self, after: int) -> list[tuple[int, str]]:
        return await asyncio.to_thread(self._ask, after)

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def _ask(self, after: int) -> list[tuple[int, str]]:
        # "rw": to look must not make the file. A transaction of the registry's own would hold up its writers.
        with closing(sqlite3.connect(f"file:{quote(self._path)}?mode=rw", uri=True)) as connection:
            return connection.execute(_CHANGED.format("?"), [after]).fetchall()


@asynccontextmanager
async def _connected(url: URL) -> AsyncIterator[_Source]:
    if url.get_backend_name() == "sqlite":
        yield _Sqlite(url.database or "")
    else:
        async with _listening(url) as source:
            yield source


@asynccontextmanager
async def _listening(url: URL) -> AsyncIterator[_Postgres]:
    _, options = url.get_dialect()().create_connect_args(url)
    # Without prepared statements it can go through a pooler; announcements may be lost there, and looking is left.
    connection = await psycopg.AsyncConnection.connect(
        autocommit=True, prepare_threshold=None, **{**_KEEPALIVE, **options}
    )
    try:
        # First listen, then ask: what comes between is announced, what came before is in the answer.
        await connection.execute(f"LISTEN {CHANNEL}")
        yield _Postgres(connection)
    finally:
        await connection.close()


async def _asked(source: _Source, after: int) -> tuple[int, set[str]]:
    async with asyncio.timeout(_ANSWER_SECONDS):
        rows = await source.ask(after)
    return max((sequence for sequence, _ in rows), default=after), {subject for _, subject in rows}
