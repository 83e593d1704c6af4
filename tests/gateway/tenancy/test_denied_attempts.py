"""Refused attempts on the admin API: all of them counted, few of them events, and nothing of what was sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from postil.gateway.tenancy.denied_attempts import KINDS, DeniedAttempt, DeniedAttempts
from postil.registry.accounts.keys import Role
from postil.registry.db.database import Database
from postil.registry.db.tables import Event
from postil.registry.releases import history
from tests.gateway.conftest import House, bearer, until
from tests.gateway.tenancy.test_roles import staff


def noted(house: House) -> list[Event]:
    """The events of refused attempts."""
    return [event for event in history.log(house.runtime.registry.database()) if event.action == "refused"]


async def test_the_first_attempt_is_in_the_log_at_once(house: House) -> None:
    await house.client.get("/api/v1/adapters/secret-word/x", headers=bearer("a-guessed-key"))
    await until(lambda: bool(noted(house)))
    (event,) = noted(house)
    assert (event.actor, event.subject) == ("nobody", "admin-api")
    assert event.details == {
        "key": None,
        "origin": "127.0.0.1",
        "route": "GET /api/v1/adapters/{domain:str}/{adapter:str}",
        "status": 401,
        "times": 1,
    }
    assert (await house.admin("GET", "/api/v1/audit")).json()["first_break"] is None


async def test_of_a_known_key_the_log_tells_whose_it_is(house: House, clinic: str) -> None:
    await house.client.post("/api/v1/gc", headers=bearer(clinic))
    await until(lambda: bool(noted(house)))
    (event,) = noted(house)
    assert (event.actor, event.details["route"], event.details["status"]) == ("clinic", "POST /api/v1/gc", 403)
    assert event.details["key"] == clinic.split("_")[1]
    assert clinic.split("_", 2)[2] not in repr(event)


async def test_a_domain_that_is_named_elsewhere_than_in_the_path_counts_too(house: House) -> None:
    ann = await staff(house, Role.PUBLISHER, "healthcare")
    await ann.ask("GET", "/api/v1/diff", params={"to": "legal/clause@2"})
    await until(lambda: bool(noted(house)))
    assert [(event.actor, event.details["route"]) for event in noted(house)] == [("ann", "GET /api/v1/diff")]


async def test_what_is_allowed_or_asked_of_the_tenants_api_is_not_in_it(house: House, clinic: str) -> None:
    await house.admin("GET", "/api/v1/adapters")
    assert (await house.ask("a-guessed-key")).status_code == 401
    assert (await house.ask(clinic, model="legal")).status_code in (403, 404)
    await house.client.get("/api/v1/keys")
    await until(lambda: bool(noted(house)))
    assert [(event.details["route"], event.details["times"]) for event in noted(house)] == [("GET /api/v1/keys", 1)]


async def test_a_flood_adds_no_event_before_the_minute_is_over(house: House) -> None:
    await house.client.get("/api/v1/keys")
    await until(lambda: len(noted(house)) == 1)
    answers = await asyncio.gather(*(house.client.get("/api/v1/keys", headers=bearer(str(n))) for n in range(200)))
    assert {answer.status_code for answer in answers} == {401}
    assert len(noted(house)) == 1, "the first attempt alone"


def refusal(number: int = 0) -> DeniedAttempt:
    return DeniedAttempt("nobody", None, f"10.0.0.{number}", "GET /api/v1/keys", 401)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'postil.db'}")
    made.migrate()
    yield made
    made.close()


def times(database: Database) -> list[int]:
    return [int(event.details["times"]) for event in history.log(database)]


async def test_what_comes_during_the_pause_is_counted_and_kept_at_the_end_too(database: Database) -> None:
    refusals = DeniedAttempts(lambda: database, pause_seconds=3600)
    running = asyncio.create_task(refusals.run())
    refusals.note(refusal())
    await until(lambda: times(database) == [1])
    for _ in range(1000):
        refusals.note(refusal())
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert times(database) == [1, 1000]


async def test_after_the_pause_there_is_one_more_event(database: Database) -> None:
    refusals = DeniedAttempts(lambda: database, pause_seconds=0.01)
    running = asyncio.create_task(refusals.run())
    for number in range(3):
        refusals.note(refusal())
        await until(lambda number=number: sum(times(database)) == number + 1)  # type: ignore[misc]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_many_sources_are_a_bounded_number_of_events_and_none_is_lost(database: Database) -> None:
    refusals = DeniedAttempts(lambda: database, pause_seconds=3600)
    for number in range(5000):
        refusals.note(refusal(number))
    running = asyncio.create_task(refusals.run())
    await until(lambda: len(times(database)) == KINDS + 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert sum(times(database)) == 5000
    assert {event.details["origin"] for event in history.log(database)} >= {"several", "10.0.0.0"}


async def test_a_flood_of_strangers_hides_nobody_who_has_a_key(database: Database) -> None:
    refusals = DeniedAttempts(lambda: database, pause_seconds=3600)
    for number in range(1000):
        refusals.note(refusal(number))
        refusals.note(DeniedAttempt("clinic", "3f2a", "10.0.0.1", f"GET /api/{number}", 403))
    running = asyncio.create_task(refusals.run())
    await until(lambda: len(times(database)) == 2 * (KINDS + 1))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    told = [event for event in history.log(database) if event.actor == "clinic"]
    assert len(told) == KINDS
    assert sum(times(database)) == 2000


async def test_while_the_database_is_away_they_are_counted_on(database: Database) -> None:
    away: list[Any] = [True]

    def known() -> Database:
        if away:
            raise OSError("gone")
        return database

    refusals = DeniedAttempts(known, pause_seconds=0.01)
    running = asyncio.create_task(refusals.run())
    for _ in range(5):
        refusals.note(refusal())
        await asyncio.sleep(0)
    away.clear()
    await until(lambda: sum(times(database)) == 5)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
