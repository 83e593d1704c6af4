"""Tenants that keep a release, whatever is live."""

from __future__ import annotations

import asyncio

import pytest

from tests.gateway.channel_acts import ADAPTER, NAME, canary, inside, loaded, move, opened, pin, served, state
from tests.gateway.conftest import House, until


@pytest.fixture
async def clinic(house: House) -> str:
    """Three releases, the first live, and a tenant."""
    return await opened(house, 3)


async def answered(house: House, key: str, model: str | None = None) -> tuple[str, str | None]:
    """The release that answers, and the channel that is told."""
    headers = (await house.ask(key, model=model)).headers
    return headers["x-postil-release"], headers.get("x-postil-channel")


async def test_a_pinned_tenant_gets_its_release_and_nobody_else_does(house: House, clinic: str) -> None:
    other = await house.tenant("hospital", "healthcare")
    await pin(house, "clinic", 2)
    assert await answered(house, clinic) == (f"{NAME}@2", "pin")
    assert await answered(house, clinic, "healthcare/triage") == (f"{NAME}@2", "pin")
    assert await answered(house, other) == (f"{NAME}@1", None)


async def test_a_pin_holds_whatever_is_promoted_and_wins_over_the_canary(house: House, clinic: str) -> None:
    await pin(house, "clinic", 2)
    await move(house, "promote", 3)
    await canary(house, 1, 100)
    assert await answered(house, clinic) == (f"{NAME}@2", "pin")


async def test_what_is_asked_for_by_number_wins_over_pin_and_canary(house: House, clinic: str) -> None:
    await pin(house, "clinic", 2)
    await canary(house, 3, 100)
    await house.admin("PATCH", "/api/v1/tenants/clinic/rights", json={"add": ["numbers"]})
    assert await answered(house, clinic, f"{NAME}@1") == (f"{NAME}@1", None)


async def test_an_unpinned_tenant_follows_what_is_live_again(house: House, clinic: str) -> None:
    await pin(house, "clinic", 2)
    response = await house.admin("DELETE", f"{ADAPTER}/pins/clinic", params={"reason": "contract ended"})
    assert response.json()["pins"] == {}
    assert await answered(house, clinic) == (f"{NAME}@1", None)
    event = (await state(house))["events"][-1]
    assert (event["action"], event["reason"], event["details"]) == ("unpin", "contract ended", {"tenant": "clinic"})
    assert (await house.admin("DELETE", f"{ADAPTER}/pins/clinic")).status_code == 404


async def test_a_pin_is_loaded_first_and_seen_in_the_status(house: House, clinic: str) -> None:
    await pin(house, "clinic", 2)
    assert inside(house, 2) in house.engine.adapters
    assert await loaded(house) == {f"{NAME}@1": True, f"{NAME}@2": True}
    rows = (await house.admin("GET", "/api/v1/status")).json()["adapters"]
    assert {row["release"]: row["reasons"] for row in rows} == {f"{NAME}@1": ["live"], f"{NAME}@2": ["pin of clinic"]}
    assert (await state(house))["pins"] == {"clinic": 2}


@pytest.mark.parametrize("name", ["nobody", "admin"])
async def test_a_tenant_that_nobody_knows_is_refused(house: House, clinic: str, name: str) -> None:
    before = await state(house)
    response = await house.admin("PUT", f"{ADAPTER}/pins/{name}", json={"release": 2})
    assert response.status_code == 404
    assert response.json()["detail"] == f"there is no tenant '{name}'; see `postil tenants list`"
    assert await state(house) == before


async def test_a_tenant_of_a_removed_ones_name_does_not_inherit_its_pin(house: House, clinic: str) -> None:
    await pin(house, "clinic", 2)
    assert (await house.admin("DELETE", "/api/v1/tenants/clinic")).status_code == 204
    key = await house.tenant("clinic", "healthcare")
    assert await answered(house, key) == (f"{NAME}@1", None)
    assert await loaded(house) == {f"{NAME}@1": True}


async def test_a_tenant_that_is_removed_while_its_release_is_loaded_is_not_pinned(house: House, clinic: str) -> None:
    house.engine.load_gate.clear()
    pinning = asyncio.create_task(house.admin("PUT", f"{ADAPTER}/pins/clinic", json={"release": 2}))
    await until(lambda: house.engine.loads == 2)
    removing = asyncio.create_task(house.admin("DELETE", "/api/v1/tenants/clinic"))
    await until(lambda: not house.runtime.callers.current.knows("clinic"))
    assert (await house.ask(clinic)).status_code == 401
    house.engine.load_gate.set()
    assert [(await pinning).status_code, (await removing).status_code] == [404, 204]
    assert (await state(house))["pins"] == {}


async def test_a_pinned_release_that_breaks_does_not_silently_become_another(house: House, clinic: str) -> None:
    await pin(house, "clinic", 2)
    house.engine.adapters.pop(inside(house, 2))
    house.engine.refuse_load = "no place left"
    assert (await house.ask(clinic)).status_code == 503
    assert served(house) == (1, None)
