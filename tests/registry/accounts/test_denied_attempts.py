from __future__ import annotations

from datetime import UTC, datetime, timedelta

from postil.registry.accounts import denied_attempts as denied
from postil.registry.accounts.denied_attempts import NOBODY, DeniedAttempts
from postil.registry.db.database import Database
from postil.registry.db.paging import whole
from postil.registry.releases import history

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def attempts(
    actor: str = NOBODY, address: str = "10.0.0.1", *, minute: float = 0, count: int = 1, route: str = "GET /v1/models"
) -> DeniedAttempts:
    at = NOON + timedelta(minutes=minute)
    return DeniedAttempts(actor, None if actor == NOBODY else "3f2a", address, route, 401, at, at, count)


def rows(database: Database) -> list[tuple[str, str, int]]:
    return [(row.actor, row.address, row.count) for row in whole(denied.list_attempts, database)]


def test_attempts_are_rows_of_their_own_and_no_events(database: Database) -> None:
    denied.record(database, [attempts(), attempts("ann", count=3)], keep=100)
    assert rows(database) == [("ann", "10.0.0.1", 3), (NOBODY, "10.0.0.1", 1)]
    assert history.log(database) == []


def test_attempts_of_one_kind_within_an_hour_are_one_row(database: Database) -> None:
    for minute in (0, 1, 59):
        denied.record(database, [attempts(minute=minute, count=2)], keep=100)
    (row,) = denied.list_attempts(database).items
    assert (row.first_at, row.last_at, row.count) == (NOON, NOON + timedelta(minutes=59), 6)
    denied.record(database, [attempts(minute=61)], keep=100)
    assert [count for _, _, count in rows(database)] == [1, 6]


def test_another_route_or_owner_is_another_row(database: Database) -> None:
    denied.record(database, [attempts()], keep=100)
    denied.record(database, [attempts(route="GET /v1/usage"), attempts("ann")], keep=100)
    assert len(rows(database)) == 3


def test_a_flood_of_strangers_drops_the_oldest_strangers_and_no_known_key(database: Database) -> None:
    denied.record(database, [attempts("ann")], keep=10)
    for minute in range(20):
        denied.record(database, [attempts(address=f"10.0.0.{minute}", minute=minute)], keep=10)
    kept = rows(database)
    assert kept[-1] == ("ann", "10.0.0.1", 1)
    assert [address for _, address, _ in kept[:-1]] == [f"10.0.0.{n}" for n in (19, 18, 17, 16, 15)]


def test_a_flood_of_one_owners_drops_its_own_oldest_rows_and_no_other_owners(database: Database) -> None:
    denied.record(database, [attempts("ann"), attempts("bob"), attempts("bob", "10.0.0.2")], keep=12)
    for minute in range(20):
        denied.record(database, [attempts("eve", f"10.1.0.{minute}", minute=minute)], keep=12)
    assert rows(database) == [
        ("eve", "10.1.0.19", 1), ("eve", "10.1.0.18", 1), ("eve", "10.1.0.17", 1),
        ("bob", "10.0.0.2", 1), ("bob", "10.0.0.1", 1), ("ann", "10.0.0.1", 1),
    ]  # fmt: skip


def test_of_more_owners_than_rows_the_newest_are_kept(database: Database) -> None:
    denied.record(database, [attempts(f"owner-{number}") for number in range(9)], keep=6)
    assert [actor for actor, _, _ in rows(database)] == ["owner-8", "owner-7", "owner-6"]


def test_the_list_is_read_in_pages(database: Database) -> None:
    denied.record(database, [attempts(address=f"10.0.0.{n}") for n in range(5)], keep=100)
    first = denied.list_attempts(database, limit=2)
    assert first.next is not None
    second = denied.list_attempts(database, limit=2, after=first.next)
    assert [row.address for row in (*first.items, *second.items)] == [f"10.0.0.{n}" for n in (4, 3, 2, 1)]
