"""A database that is lost right after a change was committed: the change is told, and in force once it answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from postil.registry.db.database import Database
from tests.fakes.signing import key_pair
from tests.gateway.api.admin.test_keys import refused
from tests.gateway.conftest import House, until


@contextmanager
def lost_after_a_change(house: House) -> Iterator[None]:
    """From the commit of the next event on, the database is away."""
    database = house.runtime.registry.database()
    real, gone = database.engine, Database(f"sqlite:///{house.folder / 'nowhere' / 'gone.db'}").engine
    written = False

    def execute(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        nonlocal written
        written = written or statement.startswith("INSERT INTO event")

    def commit(_connection: Any) -> None:
        if written:
            database.engine = gone

    event.listen(real, "before_cursor_execute", execute)
    event.listen(real, "commit", commit)
    try:
        yield
        assert database.engine is gone, "something was changed"
    finally:
        event.remove(real, "before_cursor_execute", execute)
        event.remove(real, "commit", commit)
        database.engine = real


async def test_a_new_key_is_shown_and_is_good_once_the_database_answers(house: House, clinic: str) -> None:
    with lost_after_a_change(house):
        response = await house.admin("POST", "/api/v1/keys", json={"owner": "clinic"})
        assert response.status_code == 201, response.text
    key = response.json()["key"]
    await until(lambda: not refused(house, key)())
    assert (await house.ask(key)).status_code == 200


async def test_a_revoked_and_a_rotated_key_are_told_of_and_out_of_force_once_the_database_answers(
    house: House, clinic: str
) -> None:
    made = (await house.admin("POST", "/api/v1/keys", json={"owner": "clinic"})).json()
    with lost_after_a_change(house):
        response = await house.admin("POST", f"/api/v1/keys/{made['id']}/rotate", json={"overlap": 0})
        assert (response.status_code, response.json()["replaces"]["id"]) == (201, made["id"])
    await until(refused(house, made["key"]))
    with lost_after_a_change(house):
        gone = await house.admin("DELETE", f"/api/v1/keys/{response.json()['id']}")
        assert (gone.status_code, gone.json()["state"]) == (200, "revoked")
    await until(refused(house, response.json()["key"]))


async def test_a_tenant_comes_and_goes_and_its_pin_with_it(house: House, clinic: str) -> None:
    with lost_after_a_change(house):
        response = await house.admin("POST", "/api/v1/tenants", json={"name": "bank", "domains": ["healthcare"]})
        assert response.status_code == 201, response.text
    await until(lambda: house.runtime.callers.current.knows("bank"))
    path = "/api/v1/adapters/healthcare/triage/pins/bank"
    assert (await house.admin("PUT", path, json={"release": 1})).status_code == 200
    with lost_after_a_change(house):
        assert (await house.admin("DELETE", "/api/v1/tenants/bank")).status_code == 204
    await until(lambda: not house.runtime.callers.current.knows("bank"))
    await until(lambda: not house.runtime.catalog.current.entries["healthcare/triage"].pins)
    assert refused(house, response.json()["key"])()


async def test_limits_are_in_force_once_the_database_answers(house: House, clinic: str) -> None:
    with lost_after_a_change(house):
        response = await house.admin("PUT", "/api/v1/tenants/clinic/limits", json={"requests_per_minute": 5})
        assert (response.status_code, response.json()["requests_per_minute"]) == (200, 5)
    await until(house.runtime.callers.limited)


@pytest.mark.parametrize("act", ["/api/v1/keys", "/api/v1/tenants"])
async def test_a_database_that_is_away_before_the_change_is_still_told_of(house: House, clinic: str, act: str) -> None:
    database = house.runtime.registry.database()
    real, database.engine = database.engine, Database(f"sqlite:///{house.folder / 'nowhere' / 'gone.db'}").engine
    body = {"owner": "clinic"} if act == "/api/v1/keys" else {"name": "bank", "domains": ["healthcare"]}
    response = await house.admin("POST", act, json=body)
    database.engine = real
    assert (response.status_code, "nothing was changed" in response.json()["detail"]) == (503, True)


async def test_a_rollback_is_told_to_be_done_and_is_served_once_the_database_answers(house: House, clinic: str) -> None:
    await house.publish("healthcare/triage", seed=2)
    with lost_after_a_change(house):
        response = await house.admin("POST", "/api/v1/adapters/healthcare/triage/rollback", json={"reason": "worse"})
        assert response.status_code == 503
        assert response.json()["detail"].startswith("it was done; but then the registry's database cannot be opened")
    await until(lambda: house.runtime.catalog.current.entries["healthcare/triage"].live == 1)
    assert (await house.ask(clinic)).headers["x-postil-release"] == "healthcare/triage@1"


async def test_new_signing_keys_are_told_to_be_in_force(house: House, clinic: str, tmp_path: Path) -> None:
    keys = {"keys": [key_pair(tmp_path, "ours").public.read_text()]}
    with lost_after_a_change(house):
        response = await house.admin("PUT", "/api/v1/domains/healthcare/signing-keys", json=keys)
        assert (response.status_code, response.json()["detail"][:11]) == (503, "it was done")
    assert (await house.admin("GET", "/api/v1/domains")).json()["data"][0]["signature_required"]
