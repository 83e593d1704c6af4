"""The switches for an incident: a frozen domain, a refused tenant."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from postil.registry.accounts.keys import Role
from tests.fakes.adapters import write_adapter
from tests.gateway.channel_acts import ADAPTER, NAME, move, opened
from tests.gateway.conftest import FREE_TEXT, House, bearer, until
from tests.gateway.control.test_change_feed import shared as shared
from tests.gateway.control.test_change_feed import two_houses
from tests.gateway.tenancy.test_roles import staff
from tests.registry.conftest import pg_folder as pg_folder
from tests.registry.conftest import postgres as postgres

REFUSED = "requests of this tenant are refused for now; ask whoever runs the gateway"


@pytest.fixture
async def clinic(house: House) -> str:
    """Two releases, 1 was live and 2 is, and a tenant."""
    key = await opened(house, 2)
    await move(house, "promote", 2)
    return key


async def switch(house: House, path: str, reason: str = "a key leaked", status: int = 200) -> None:
    response = await house.admin("POST", f"/api/v1/{path}", json={"reason": reason})
    assert response.status_code == status, response.text


async def test_a_frozen_domain_takes_nothing_new_and_answers_on(house: House, clinic: str) -> None:
    await switch(house, "domains/healthcare/freeze")
    person = await staff(house, Role.PUBLISHER, "healthcare")
    upload = await house.upload(NAME, write_adapter(house.folder / "new", seed=9), FREE_TEXT)
    refused = [upload]
    for method, path, body in (
        ("POST", f"{ADAPTER}/promote", {"release": 1}),
        ("PUT", f"{ADAPTER}/channels/canary", {"release": 1, "weight": 5}),
        ("PUT", f"{ADAPTER}/channels/shadow", {"release": 1, "weight": 5}),
        ("PUT", "/api/v1/domains/healthcare/default", {"adapter": "triage"}),
    ):
        refused.append(await person.ask(method, path, json=body))
    refused.append(await house.admin("PUT", f"{ADAPTER}/pins/clinic", json={"release": 1}))
    for response in refused:
        assert response.status_code == 409, response.text
    assert all("healthcare is frozen by admin: a key leaked" in response.text for response in refused[:4])
    assert (await house.ask(clinic, model=NAME)).status_code == 200


async def test_what_takes_back_works_in_a_frozen_domain_and_unfreezing_ends_it(house: House, clinic: str) -> None:
    await switch(house, "domains/healthcare/freeze")
    await move(house, "rollback", 1)
    await switch(house, "adapters/healthcare/triage/releases/2/yank")
    await switch(house, "domains/healthcare/freeze", status=409)
    await switch(house, "domains/healthcare/unfreeze")
    assert await house.publish(NAME, seed=9) == 3


async def test_only_admins_have_the_switches_and_viewers_see_them(house: House, clinic: str) -> None:
    person = await staff(house, Role.PUBLISHER, "healthcare")
    for path in ("domains/healthcare/freeze", "domains/healthcare/unfreeze", "tenants/clinic/refuse"):
        assert await person.status("POST", f"/api/v1/{path}", json={"reason": "x"}) == 403
    viewer = await staff(house, Role.VIEWER, owner="vic")
    await switch(house, "domains/healthcare/freeze")
    await switch(house, "tenants/clinic/refuse", "it attacks")
    (domain,) = (await viewer.ask("GET", "/api/v1/domains")).json()["data"]
    assert (domain["frozen"]["actor"], domain["frozen"]["reason"]) == ("admin", "a key leaked")
    (tenant,) = (await viewer.ask("GET", "/api/v1/tenants")).json()["data"]
    assert tenant["refused"]["reason"] == "it attacks"
    events = (await viewer.ask("GET", "/api/v1/events?newest_first=true&limit=2")).json()["data"]
    assert [event["action"] for event in events] == ["tenant-refuse", "domain-freeze"]


@pytest.mark.parametrize(
    ("path", "reason", "status"),
    [
        ("domains/nowhere/freeze", "x", 404),
        ("domains/healthcare/unfreeze", "x", 409),
        ("tenants/nobody/refuse", "x", 404),
        ("tenants/clinic/admit", "x", 409),
        ("domains/healthcare/freeze", "  ", 400),
        ("tenants/clinic/refuse", "", 400),
    ],
)
async def test_a_switch_that_cannot_be_is_refused(
    house: House, clinic: str, path: str, reason: str, status: int
) -> None:
    await switch(house, path, reason, status)


async def test_a_refused_tenant_gets_a_sentence_at_every_door_and_keeps_its_keys(house: House, clinic: str) -> None:
    await switch(house, "tenants/clinic/refuse", "it attacks")
    answer = await house.ask(clinic, model=NAME)
    assert (answer.status_code, answer.json()["error"]["message"]) == (403, REFUSED)
    assert answer.json()["error"]["code"] == "tenant_refused"
    for path in ("/v1/models", "/v1/usage", "/v1/reviews/abc", "/api/v1/adapters"):
        response = await house.client.get(path, headers=bearer(clinic))
        assert response.status_code == 403, path
        assert "attacks" not in response.text
    assert house.engine.requests == []
    await switch(house, "tenants/clinic/admit", "a mistake")
    assert (await house.ask(clinic, model=NAME)).status_code == 200


async def test_other_tenants_of_the_domain_do_not_notice(house: House, clinic: str) -> None:
    other = await house.tenant("other", "healthcare")
    await switch(house, "tenants/clinic/refuse", "it attacks")
    assert (await house.ask(other, model=NAME)).status_code == 200


async def test_a_tenant_is_refused_on_another_gateway_within_a_quarter_of_a_second(tmp_path: Path, shared: str) -> None:
    async with two_houses(tmp_path, shared) as (one, two, _):
        key = await opened(one)
        await until(lambda: two.runtime.callers.current.knows("clinic") and two.serves(NAME))
        assert (await two.ask(key, model=NAME)).status_code == 200
        await switch(one, "tenants/clinic/refuse", "it attacks")
        began = time.monotonic()
        while (await two.client.get("/v1/models", headers=bearer(key))).status_code != 403:
            assert time.monotonic() - began < 30
        assert time.monotonic() - began < 0.25
