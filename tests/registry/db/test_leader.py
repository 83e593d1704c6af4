"""A lease: one holder at a time, and the work goes on where the last one stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from postil.registry.db import leader
from postil.registry.db.database import Database
from postil.registry.db.tables import utcnow

LASTS = timedelta(seconds=15)


def taken(database: Database, holder: str, now: datetime | None = None, position: int = 0) -> int | None:
    """Ask for the lease."""
    return leader.acquire(database, "work", holder, now=now or utcnow(), lasts=LASTS, position=position)


def renewed(database: Database, holder: str, position: int, now: datetime | None = None) -> bool:
    """Say how far one is."""
    return leader.renew(database, "work", holder, now=now or utcnow(), lasts=LASTS, position=position)


def test_one_holds_it_and_the_others_wait(database: Database) -> None:
    assert leader.position(database, "work") is None
    assert taken(database, "one", position=7) == 7
    assert taken(database, "two", position=9) is None
    assert taken(database, "one", position=9) == 7
    assert leader.position(database, "work") == 7


def test_who_takes_over_goes_on_where_the_last_one_stopped(database: Database) -> None:
    now = utcnow()
    taken(database, "one", now)
    assert renewed(database, "one", 5, now + LASTS / 2)
    assert taken(database, "two", now + LASTS) is None
    assert taken(database, "two", now + 2 * LASTS) == 5
    assert not renewed(database, "one", 6)
    assert leader.position(database, "work") == 5


def test_one_that_is_given_back_is_taken_at_once(database: Database) -> None:
    taken(database, "one", position=3)
    leader.release(database, "work", "two")
    assert taken(database, "two") is None
    leader.release(database, "work", "one")
    assert taken(database, "two") == 3


def test_a_lease_that_there_is_not_is_neither_renewed_nor_given_back(database: Database) -> None:
    leader.release(database, "work", "one")
    assert not renewed(database, "one", 1)
    assert leader.position(database, "work") is None


def test_of_many_who_ask_at_once_one_gets_it(database: Database) -> None:
    start, got = threading.Barrier(6), list[str]()

    def act(holder: str) -> None:
        start.wait()
        if taken(database, holder) is not None:
            got.append(holder)

    askers = [threading.Thread(target=act, args=(f"gateway-{number}",)) for number in range(6)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert len(got) == 1


def test_who_sees_it_free_and_comes_too_late_does_not_have_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    write: Callable[[], object] = database.write
    other = Database(database.engine.url.render_as_string(hide_password=False))

    def after_another() -> object:
        assert taken(other, "faster") == 0
        return write()

    monkeypatch.setattr(database, "write", after_another)
    assert taken(database, "slower") is None
    other.close()
