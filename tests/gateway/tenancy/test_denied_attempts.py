"""Denied attempts on both APIs: all of them counted, few of them rows, and nothing of what was sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from postil.gateway.tenancy.denied_attempts import KINDS, DeniedAttempt, DeniedAttempts, origin_of
from postil.registry.accounts import denied_attempts as stored
from postil.registry.accounts.keys import Role
from postil.registry.db.database import Database
from postil.registry.db.paging import whole
from postil.registry.db.safety_tables import DeniedAttempt as Row
from postil.registry.releases import history
from tests.gateway.cli.commands.test_commands import postil
from tests.gateway.conftest import House, bearer, until
from tests.gateway.tenancy.test_roles import staff


def rows(database: Database) -> list[Row]:
    """The stored attempts, newest first."""
    return whole(stored.list_attempts, database)


def noted(house: House) -> list[Row]:
    """The stored attempts of a gateway."""
    return rows(house.runtime.registry.database())


async def test_the_first_attempt_is_stored_at_once_and_is_no_event(house: House) -> None:
    await house.client.get("/api/v1/adapters/secret-word/x", headers=bearer("a-guessed-key"))
    await until(lambda: bool(noted(house)))
    answer = await house.admin("GET", "/api/v1/denied-attempts")
    assert answer.status_code == 200, answer.text
    (row,) = answer.json()["data"]
    assert row.pop("first_at") == row.pop("last_at")
    assert row == {
        "actor": "nobody",
        "key": None,
        "address": "127.0.0.1",
        "route": "GET /api/v1/adapters/{domain:str}/{adapter:str}",
        "status": 401,
        "count": 1,
    }
    assert (await house.admin("GET", "/api/v1/audit")).json()["events"] == 0


async def test_of_a_known_key_it_tells_whose_it_is(house: House, clinic: str) -> None:
    await house.client.post("/api/v1/gc", headers=bearer(clinic))
    await until(lambda: bool(noted(house)))
    (row,) = noted(house)
    assert (row.actor, row.route, row.status) == ("clinic", "POST /api/v1/gc", 403)
    assert row.details == {"key": clinic.split("_")[1]}
    assert clinic.split("_", 2)[2] not in repr(row)


async def test_a_domain_that_is_named_elsewhere_than_in_the_path_counts_too(house: House) -> None:
    ann = await staff(house, Role.PUBLISHER, "healthcare")
    await ann.ask("GET", "/api/v1/diff", params={"to": "legal/clause@2"})
    await until(lambda: bool(noted(house)))
    assert [(row.actor, row.route) for row in noted(house)] == [("ann", "GET /api/v1/diff")]


async def test_what_is_allowed_is_not_in_it(house: House, clinic: str) -> None:
    await house.admin("GET", "/api/v1/adapters")
    assert (await house.ask(clinic, model="healthcare")).status_code == 200
    assert (await house.ask(clinic, model="legal")).status_code in (403, 404)
    await house.client.get("/api/v1/keys")
    await until(lambda: bool(noted(house)))
    assert [(row.route, row.count) for row in noted(house)] == [("GET /api/v1/keys", 1)]


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("POST", "/v1/chat/completions", "POST /v1/chat/completions"),
        ("POST", "/v1/completions", "POST /v1/completions"),
        ("GET", "/v1/models", "GET /v1/models"),
        ("GET", "/v1/models/secret-word", "GET /v1/models/{model:path}"),
        ("GET", "/v1/reviews/secret-word", "GET /v1/reviews/{review_id:str}"),
        ("GET", "/v1/usage", "GET /v1/usage"),
    ],
)
async def test_a_wrong_key_on_v1_leaves_a_trace_without_what_was_sent(
    house: House, method: str, path: str, route: str
) -> None:
    body = {"messages": [{"role": "user", "content": "secret-word"}]} if method == "POST" else None
    answer = await house.client.request(method, path, headers=bearer("a-guessed-key"), json=body)
    assert answer.status_code == 401, answer.text
    await until(lambda: bool(noted(house)))
    (row,) = noted(house)
    assert (row.actor, row.address, row.route, row.status) == ("nobody", "127.0.0.1", route, 401)
    assert "guessed" not in repr(row)
    assert "secret-word" not in repr(row)


async def test_a_revoked_key_and_one_of_another_role_leave_a_trace_with_their_owner(house: House, clinic: str) -> None:
    ann = await staff(house, Role.PUBLISHER, "healthcare")
    assert (await ann.ask("GET", "/v1/models")).status_code == 403
    await house.admin("DELETE", f"/api/v1/keys/{clinic.split('_')[1]}")
    await until(lambda: bool(noted(house)))
    assert [(row.actor, row.route, row.status) for row in noted(house)] == [("ann", "GET /v1/models", 403)]
    assert (await house.ask(clinic)).status_code == 401
    await house.runtime.denied_attempts.flush()
    newest = noted(house)[0]
    assert (newest.actor, newest.details["key"], newest.status) == ("clinic", clinic.split("_")[1], 401)


async def test_a_flood_adds_no_row_before_the_minute_is_over(house: House) -> None:
    await house.client.get("/api/v1/keys")
    await until(lambda: len(noted(house)) == 1)
    answers = await asyncio.gather(*(house.client.get("/api/v1/keys", headers=bearer(str(n))) for n in range(200)))
    assert {answer.status_code for answer in answers} == {401}
    assert [row.count for row in noted(house)] == [1], "the first attempt alone"
    assert history.log(house.runtime.registry.database()) == []


async def test_only_who_may_audit_reads_them(house: House, clinic: str) -> None:
    ann = await staff(house, Role.PUBLISHER, "healthcare")
    assert (await ann.ask("GET", "/api/v1/denied-attempts")).status_code == 403
    eve = await staff(house, Role.VIEWER)
    assert (await eve.ask("GET", "/api/v1/denied-attempts")).status_code == 200


def refusal(number: int = 0, route: str = "GET /api/v1/keys") -> DeniedAttempt:
    return DeniedAttempt("nobody", None, f"10.0.{number // 256}.{number % 256}", route, 401)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'postil.db'}")
    made.migrate()
    yield made
    made.close()


def times(database: Database) -> list[int]:
    return [row.count for row in rows(database)]


@asynccontextmanager
async def running(refusals: DeniedAttempts) -> AsyncIterator[None]:
    task = asyncio.create_task(refusals.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_comes_during_the_pause_is_counted_and_kept_at_the_end_too(database: Database) -> None:
    refusals = DeniedAttempts(lambda: database, pause_seconds=3600)
    async with running(refusals):
        refusals.note(refusal())
        await until(lambda: times(database) == [1])
        for _ in range(1000):
            refusals.note(refusal())
    assert times(database) == [1001]


async def test_after_the_pause_they_are_stored_again(database: Database) -> None:
    refusals = DeniedAttempts(lambda: database, pause_seconds=0.01)
    async with running(refusals):
        for number in range(3):
            refusals.note(refusal())
            await until(lambda number=number: times(database) == [number + 1])  # type: ignore[misc]


async def test_many_sources_are_a_bounded_number_of_rows_and_none_is_lost(database: Database) -> None:
    refusals = DeniedAttempts(lambda: database, pause_seconds=3600)
    for number in range(5000):
        refusals.note(refusal(number))
        refusals.note(refusal(number, "POST /v1/chat/completions"))
    async with running(refusals):
        await until(lambda: len(times(database)) == 2 * (KINDS + 1))
    assert sum(times(database)) == 10_000
    found = {(row.address, row.route) for row in rows(database)}
    assert {("several", "several of /v1"), ("several", "several of /api/v1"), ("10.0.0.0", "GET /api/v1/keys")} <= found


async def test_a_flood_of_strangers_hides_nobody_who_has_a_key(database: Database) -> None:
    refusals = DeniedAttempts(lambda: database, pause_seconds=3600)
    for number in range(1000):
        refusals.note(refusal(number))
        refusals.note(DeniedAttempt("clinic", "3f2a", "10.0.0.1", f"GET /api/{number}", 403))
    async with running(refusals):
        await until(lambda: len(times(database)) == 2 * (KINDS + 1))
    assert len([row for row in rows(database) if row.actor == "clinic"]) == KINDS + 1
    assert sum(times(database)) == 2000


async def test_a_flood_of_one_owners_hides_no_other_owners_attempts(database: Database) -> None:
    refusals = DeniedAttempts(lambda: database, pause_seconds=3600)
    for number in range(1000):
        refusals.note(DeniedAttempt("eve", "3f2a", f"10.0.0.{number % 256}", f"GET /api/{number}", 403))
    ann = DeniedAttempt("ann", "77b1", "10.1.0.1", "POST /v1/chat/completions", 401)
    refusals.note(ann)
    async with running(refusals):
        await until(lambda: len(times(database)) == KINDS + 2)
    (row,) = [row for row in rows(database) if row.actor == "ann"]
    assert (row.details["key"], row.address, row.route, row.status) == (ann.key, ann.origin, ann.route, ann.status)
    (beyond,) = [row for row in rows(database) if row.address == "several"]
    assert (beyond.actor, beyond.details["key"], beyond.status, beyond.count) == ("eve", "several", 403, 1000 - KINDS)
    assert beyond.route == "several of /api/v1"


async def test_while_the_database_is_away_they_are_counted_on(database: Database) -> None:
    away: list[Any] = [True]

    def known() -> Database:
        if away:
            raise OSError("gone")
        return database

    refusals = DeniedAttempts(known, pause_seconds=0.01)
    async with running(refusals):
        for _ in range(5):
            refusals.note(refusal())
            await asyncio.sleep(0)
        away.clear()
        await until(lambda: sum(times(database)) == 5)


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("testclient", "testclient"),
        ("x" * 100, "x" * 64),
    ],
)
def test_a_network_of_ipv6_is_one_origin(host: str, origin: str) -> None:
    assert origin_of(host) == origin


async def test_the_command_shows_them(house: House) -> None:
    await house.client.get("/v1/models", headers=bearer("a-guessed-key"))
    await until(lambda: bool(noted(house)))
    status, out, complaints = await postil(house, "audit", "denied")
    assert (status, complaints) == (0, "")
    assert out.splitlines()[1].split()[-6:] == ["nobody", "127.0.0.1", "GET", "/v1/models", "401", "1"]
    _, out, _ = await postil(house, "audit", "denied", "--json")
    assert json.loads(out)["data"][0]["actor"] == "nobody"
