from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager

import psycopg
import pytest
from sqlalchemy import make_url, text

from postil.registry.db import audit_chain as audit
from postil.registry.db import queries as store
from postil.registry.db.change_feed import ChangeFeed
from postil.registry.db.database import Database
from postil.registry.db.tables import Event, utcnow
from tests.registry.conftest import create, migrate

# So rarely that a test which gets an answer got it by an announcement.
NEVER = 3600.0
OFTEN = 0.02


@pytest.fixture
def shared(postgres: str, postgres_template: str) -> Iterator[Database]:
    """A PostgreSQL database with the tables, empty."""
    made = Database(create(postgres, postgres_template))
    yield made
    made.close()


def url_of(database: Database) -> str:
    """The address of a database, as a setting has it."""
    return database.engine.url.render_as_string(hide_password=False)


def act(database: Database, subject: str, *, fail: bool = False) -> float:
    """One event, as every change of the registry makes one; returns the instant just before its commit."""
    with database.write() as session:
        store.lock_for_writing(session)
        store.record(session, actor="ann", action="promote", subject=subject, reason="")
        session.flush()
        if fail:
            raise KeyError
        return time.perf_counter()


class Follower:
    """Somebody who follows a feed in the background and keeps what it says."""

    def __init__(self) -> None:
        self.seen: list[set[str]] = []
        self.latest = 0.0
        self._news = asyncio.Condition()

    async def follow(self, feed: ChangeFeed) -> None:
        """Keep all that comes."""
        async with aclosing(feed.changes()) as changes:
            async for subjects in changes:
                self.latest = time.perf_counter()
                async with self._news:
                    self.seen.append(subjects)
                    self._news.notify_all()

    async def until(self, condition: Callable[[set[str]], bool]) -> None:
        """Wait until the subjects heard of so far fulfil a condition; fail after half a minute."""
        async with asyncio.timeout(30), self._news:
            await self._news.wait_for(lambda: condition(set().union(*self.seen)))

    async def hears(self, subject: str) -> None:
        """Wait for one subject."""
        await self.until(lambda subjects: subject in subjects)


@asynccontextmanager
async def following(feed: ChangeFeed) -> AsyncIterator[Follower]:
    """Follow a feed for the length of a block."""
    follower = Follower()
    task = asyncio.create_task(follower.follow(feed))
    try:
        yield follower
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def listeners(address: str, database: Database) -> list[int]:
    """The server's processes that serve a feed on a database."""
    with psycopg.connect(address) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = %s AND (query LIKE 'LISTEN%%' OR query LIKE %s)",
            [make_url(url_of(database)).database, "%max(sequence), subject%"],
        )
        return [pid for (pid,) in rows]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that the database does; fail after half a minute."""
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


async def test_a_change_by_somebody_else_is_heard_of(database: Database) -> None:
    async with following(ChangeFeed(url_of(database), poll_seconds=OFTEN)) as follower:
        await asyncio.to_thread(act, database, "healthcare/triage")
        await follower.hears("healthcare/triage")
        await asyncio.to_thread(act, database, "legal/notes")
        await follower.hears("legal/notes")
        assert follower.seen == [{"healthcare/triage"}, {"legal/notes"}]


async def test_only_what_came_after_is_handed_out(database: Database) -> None:
    await asyncio.to_thread(act, database, "old/one")
    with database.read() as session:
        after = store.newest(session)
    assert after == 1
    feed = ChangeFeed(url_of(database), poll_seconds=OFTEN, after=after)
    async with following(feed) as follower:
        await asyncio.to_thread(act, database, "new/one")
        await follower.hears("new/one")
        assert follower.seen == [{"new/one"}]


def test_an_empty_log_has_no_newest_event(database: Database) -> None:
    with database.read() as session:
        assert store.newest(session) == 0


async def test_what_was_there_before_comes_at_once_and_each_subject_once(database: Database) -> None:
    for subject in ("a/a", "b/b", "a/a"):
        act(database, subject)
    feed = ChangeFeed(url_of(database), poll_seconds=NEVER)
    async with asyncio.timeout(30), aclosing(feed.changes()) as changes:
        assert await anext(changes) == {"a/a", "b/b"}


async def test_what_was_not_dealt_with_is_handed_out_again(database: Database) -> None:
    act(database, "a/a")
    feed = ChangeFeed(url_of(database), poll_seconds=OFTEN)
    for _ in range(2):
        async with asyncio.timeout(30), aclosing(feed.changes()) as changes:
            assert await anext(changes) == {"a/a"}
            assert feed.handled == 0
    async with asyncio.timeout(30), aclosing(feed.changes()) as changes:
        await anext(changes)
        act(database, "b/b")
        assert await anext(changes) == {"b/b"}
        assert feed.handled == 1


async def test_none_of_two_writers_many_events_is_lost(database: Database) -> None:
    feed = ChangeFeed(url_of(database), poll_seconds=OFTEN)
    wanted = {f"{writer}/{number}" for writer in "ab" for number in range(100)}

    def write(writer: str) -> None:
        other = Database(url_of(database))
        for number in range(100):
            act(other, f"{writer}/{number}")
        other.close()

    async with following(feed) as follower:
        await asyncio.gather(*(asyncio.to_thread(write, writer) for writer in "ab"))
        await follower.until(wanted.issubset)
        assert sum(len(subjects) for subjects in follower.seen) == 200
        await asyncio.to_thread(act, database, "the/last")
        await follower.hears("the/last")
        assert feed.handled >= 200


async def test_what_was_rolled_back_is_not_heard_of(database: Database) -> None:
    async with following(ChangeFeed(url_of(database), poll_seconds=OFTEN)) as follower:
        with pytest.raises(KeyError):
            await asyncio.to_thread(act, database, "a/a", fail=True)
        await asyncio.to_thread(act, database, "b/b")
        await follower.hears("b/b")
        assert follower.seen == [{"b/b"}]


async def test_a_database_that_is_not_there_yet_is_waited_for(empty_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with following(ChangeFeed(empty_url, poll_seconds=OFTEN)) as follower:
        await until(lambda: bool(caplog.records))
        await asyncio.to_thread(migrate, empty_url)
        database = Database(empty_url)
        await asyncio.to_thread(act, database, "a/a")
        await follower.hears("a/a")
        database.close()
    assert len(caplog.records) == 1
    assert "cannot be asked for changes" in caplog.text


async def test_a_commit_is_heard_of_without_waiting_for_the_next_look(
    shared: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    took = []
    async with following(ChangeFeed(url_of(shared), poll_seconds=NEVER)) as follower:
        for number in range(50):
            committing = await asyncio.to_thread(act, shared, f"a/{number}")
            await follower.hears(f"a/{number}")
            took.append(1000 * (follower.latest - committing))
    with capsys.disabled():
        print(f"\nfrom commit to delivery: median {statistics.median(took):.1f} ms, longest {max(took):.1f} ms of 50")


async def test_what_nobody_announced_is_found_by_looking(shared: Database) -> None:
    async with following(ChangeFeed(url_of(shared), poll_seconds=OFTEN)) as follower:
        await asyncio.to_thread(act, shared, "first/one")
        await follower.hears("first/one")
        with shared.write() as session:
            event = Event(
                sequence=2, at=utcnow(), actor="ann", action="promote", subject="a/a", reason="",
                previous=audit.GENESIS, hash="",
            )  # fmt: skip
            session.add(audit.seal(event))
        await follower.hears("a/a")


async def test_changes_are_heard_of_after_the_connection_was_ended(shared: Database, postgres: str) -> None:
    """Ten times over: ended from outside, with a change while nobody is listening and one after."""
    async with following(ChangeFeed(url_of(shared), poll_seconds=NEVER)) as follower:
        for number in range(10):
            await until(lambda: len(listeners(postgres, shared)) == 1)
            with shared.write() as session:
                for pid in listeners(postgres, shared):
                    session.connection().execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            act(shared, f"while/{number}")
            await follower.hears(f"while/{number}")
            await asyncio.to_thread(act, shared, f"after/{number}")
            await follower.hears(f"after/{number}")


async def test_the_connection_is_closed_with_the_feed(shared: Database, postgres: str) -> None:
    async with following(ChangeFeed(url_of(shared), poll_seconds=NEVER)):
        await until(lambda: len(listeners(postgres, shared)) == 1)
    await until(lambda: listeners(postgres, shared) == [])


async def test_no_event_is_announced_twice_for_one_commit(shared: Database) -> None:
    """However many events one transaction has, listeners wake once."""
    connection = await psycopg.AsyncConnection.connect(
        make_url(url_of(shared)).set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True
    )
    async with connection:
        await connection.execute(f"LISTEN {store.CHANNEL}")
        with shared.write() as session:
            store.lock_for_writing(session)
            for number in range(5):
                store.record(session, actor="ann", action="promote", subject=f"a/{number}", reason="")
        act(shared, "b/b")
        heard = [notice.channel async for notice in connection.notifies(timeout=30, stop_after=2)]
        assert heard == ["postil", "postil"]
        with shared.read() as session:
            assert store.newest(session) == 6
