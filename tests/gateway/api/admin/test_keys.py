"""Keys through the door: shown once, in force at once and out of force at once, on every gateway."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from postil.gateway.errors import AuthenticationError
from postil.registry.accounts.keys import revoke_key
from tests.gateway.conftest import House, bearer, until
from tests.gateway.control.test_change_feed import shared as shared
from tests.gateway.control.test_change_feed import two_houses
from tests.registry.conftest import pg_folder as pg_folder
from tests.registry.conftest import postgres as postgres

IN_FORCE_WITHIN = 0.25


async def add(house: House, owner: str = "clinic", **body: Any) -> dict[str, Any]:
    """Add a key."""
    response = await house.admin("POST", "/api/v1/keys", json={"owner": owner, **body})
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()
    return found


def refused(house: House, key: str) -> Callable[[], bool]:
    """Whether a gateway refuses a key."""

    def look() -> bool:
        try:
            house.runtime.callers.current.known(f"Bearer {key}")
        except AuthenticationError:
            return True
        return False

    return look


async def test_a_key_is_shown_once_and_never_again(house: House, clinic: str) -> None:
    made = await add(house, note="the other site")
    secret = made["key"].split("_", 2)[2]
    assert (await house.ask(made["key"])).status_code == 200
    for path in ("/api/v1/keys", "/api/v1/tenants", "/api/v1/events"):
        text = (await house.admin("GET", path)).text
        assert made["id"] in text
        assert secret not in text
        assert clinic.split("_", 2)[2] not in text
    kept = b"".join(file.read_bytes() for file in (house.folder / "home").glob("postil.db*"))
    assert made["id"].encode() in kept
    assert secret.encode() not in kept


async def test_a_tenant_changes_its_key_without_a_gap(house: House, clinic: str) -> None:
    (old,) = (await house.admin("GET", "/api/v1/keys", params={"owner": "clinic"})).json()["data"]
    rotated = (await house.admin("POST", f"/api/v1/keys/{old['id']}/rotate", json={"overlap": 3600})).json()
    assert [(await house.ask(key)).status_code for key in (clinic, rotated["key"])] == [200, 200]
    assert rotated["replaces"]["id"] == old["id"]
    assert rotated["replaces"]["expires"] is not None
    response = await house.admin("POST", f"/api/v1/keys/{rotated['id']}/rotate", json={"overlap": 0})
    assert [(await house.ask(key)).status_code for key in (clinic, rotated["key"])] == [200, 401]
    assert (await house.ask(response.json()["key"])).status_code == 200


async def test_a_key_expires_by_the_clock_alone(house: House, clinic: str) -> None:
    made = await add(house, expires_in=0.3)
    await until(refused(house, made["key"]))
    response = await house.ask(made["key"])
    assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")
    assert "has expired" in response.json()["error"]["message"]
    states = {key["id"]: key["state"] for key in (await house.admin("GET", "/api/v1/keys")).json()["data"]}
    assert states.pop(made["id"]) == "expired"
    assert set(states.values()) == {"in force"}


async def test_a_revoked_key_is_refused_at_the_next_request_and_no_other(house: House, clinic: str) -> None:
    made = await add(house)
    response = await house.admin("DELETE", f"/api/v1/keys/{made['id']}", params={"reason": "lost"})
    assert (response.status_code, response.json()["state"]) == (200, "revoked")
    assert [(await house.ask(key)).status_code for key in (made["key"], clinic)] == [401, 200]
    event = (await house.admin("GET", "/api/v1/events")).json()["data"][-1]
    assert (event["action"], event["subject"], event["reason"]) == ("key-revoke", "clinic", "lost")
    assert (await house.admin("DELETE", f"/api/v1/keys/{made['id']}")).status_code == 409


async def test_an_admins_key_that_was_revoked_administers_nothing(house: House) -> None:
    made = await add(house, "eve", role="admin")
    assert (await house.client.get("/api/v1/keys", headers=bearer(made["key"]))).status_code == 200
    await house.admin("DELETE", f"/api/v1/keys/{made['id']}")
    assert (await house.client.get("/api/v1/keys", headers=bearer(made["key"]))).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/api/v1/keys", {"owner": "nobody-here"}, 404),
        ("POST", "/api/v1/keys", {"owner": "ann", "role": "publisher"}, 422),
        ("POST", "/api/v1/keys", {"owner": "ann", "role": "king"}, 400),
        ("POST", "/api/v1/keys", {"owner": "ann", "role": "viewer", "expires_in": -1}, 422),
        ("POST", "/api/v1/keys", {"owner": "ann", "role": "viewer", "expires_in": 1e300}, 400),
        ("POST", "/api/v1/keys", {"owner": "admin", "role": "admin"}, 422),
        ("POST", "/api/v1/keys/none/rotate", {}, 404),
        ("DELETE", "/api/v1/keys/none", None, 404),
        ("POST", "/api/v1/tenants", {"name": "admin", "domains": []}, 422),
    ],
)
async def test_a_wrong_act_is_a_problem_with_a_sentence(
    house: House, method: str, path: str, body: object, status: int
) -> None:
    response = await house.admin(method, path, **({} if body is None else {"json": body}))
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"]
    assert (await house.admin("GET", "/api/v1/keys")).json()["data"] == []


async def revoked_elsewhere(one: House, two: House) -> float:
    """Revoke a fresh key on one gateway; returns after how many seconds the other refuses it."""
    made = await add(one)
    await until(lambda: not refused(two, made["key"])())
    assert (await two.ask(made["key"])).status_code == 200
    began = time.perf_counter()
    assert (await one.admin("DELETE", f"/api/v1/keys/{made['id']}")).status_code == 200
    assert (await one.ask(made["key"])).status_code == 401, "here at once"
    await until(refused(two, made["key"]))
    took = time.perf_counter() - began
    assert (await two.ask(made["key"])).status_code == 401
    return took


async def test_a_revoked_key_is_out_of_force_on_another_gateway_within_a_quarter_of_a_second(
    tmp_path: Path, shared: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Even while that gateway is busy loading what was promoted elsewhere: this waits for nothing else."""
    async with two_houses(tmp_path, shared) as (one, two, other):
        await one.publish("healthcare/triage")
        await one.tenant("clinic", "healthcare")
        await until(lambda: two.serves("healthcare/triage"))
        other.load_gate.clear()
        loads = other.loads
        await one.publish("healthcare/triage", seed=1)
        await until(lambda: other.loads > loads)
        try:
            took = sorted([await revoked_elsewhere(one, two) for _ in range(40)])
        finally:
            other.load_gate.set()
    with capsys.disabled():
        print(f"\nfrom the command to refused elsewhere: {1000 * took[20]:.0f} ms, at most {1000 * took[-1]:.0f} ms")
    # Nine of ten, not all: on a machine that is busy with other tests, one may wait for its turn.
    assert took[35] < IN_FORCE_WITHIN


async def test_what_was_revoked_while_the_connection_was_gone_is_not_missed(tmp_path: Path, shared: str) -> None:
    async with two_houses(tmp_path, shared) as (one, two, _):
        await one.tenant("clinic", "healthcare")
        made = await add(one)
        await until(lambda: not refused(two, made["key"])())
        with psycopg.connect(shared.replace("postgresql+psycopg", "postgresql"), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert (await one.admin("DELETE", f"/api/v1/keys/{made['id']}")).status_code == 200
        await until(refused(two, made["key"]))


async def test_a_key_that_a_script_revokes_in_the_same_sqlite_file_is_refused_too(house: House, clinic: str) -> None:
    database = house.runtime.registry.database()
    await asyncio.to_thread(revoke_key, database, clinic.split("_")[1], actor="script")
    await until(refused(house, clinic))


async def test_keys_are_read_while_every_other_thread_is_busy(house: House, clinic: str) -> None:
    gate = threading.Event()
    revoke_key(house.runtime.registry.database(), clinic.split("_")[1], actor="script")
    busy = [asyncio.create_task(asyncio.to_thread(gate.wait)) for _ in range(100)]
    try:
        async with asyncio.timeout(20):
            await house.runtime.callers.refresh()
        assert refused(house, clinic)()
    finally:
        gate.set()
        await asyncio.gather(*busy)
