"""A release that was taken back answers nobody, on every way to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from postil.registry.accounts.keys import Role
from tests.gateway.channel_acts import ADAPTER, NAME, canary, inside, move, opened, pin, served, shadow, state
from tests.gateway.conftest import House, until
from tests.gateway.control.test_change_feed import shared as shared
from tests.gateway.control.test_change_feed import two_houses
from tests.gateway.tenancy.test_roles import staff
from tests.registry.conftest import pg_folder as pg_folder
from tests.registry.conftest import postgres as postgres


@pytest.fixture
async def clinic(house: House) -> str:
    """Three releases, 1 was live and 2 is, and a tenant."""
    key = await opened(house, 3)
    await move(house, "promote", 2)
    return key


async def yank(house: House, number: int, **body: Any) -> httpx.Response:
    body = {"reason": "it harms", **body}
    return await house.admin("POST", f"{ADAPTER}/releases/{number}/yank", json=body)


async def test_a_yanked_live_release_answers_nobody_from_the_next_request_on(house: House, clinic: str) -> None:
    response = await yank(house, 2)
    assert response.status_code == 200, response.text
    assert response.json()["live"] == 1
    answer = await house.ask(clinic, model=NAME)
    assert answer.headers["x-postil-release"] == f"{NAME}@1"


async def test_a_yank_says_what_is_live_then(house: House, clinic: str) -> None:
    await move(house, "promote", 3)
    assert (await yank(house, 3, to=1)).json()["live"] == 1


async def test_where_nothing_else_was_live_the_adapter_answers_nothing(house: House) -> None:
    key = await opened(house, 1)
    assert (await yank(house, 1)).json()["live"] is None
    answer = await house.ask(key, model=NAME)
    assert answer.status_code == 404
    assert "no live release" in answer.json()["error"]["message"]


async def test_a_yanked_canary_and_shadow_end(house: House, clinic: str) -> None:
    await canary(house, 3, 100)
    await yank(house, 3)
    assert served(house) == (2, None)
    await shadow(house, 1)
    await yank(house, 1)
    assert (await state(house))["shadow"] is None


async def test_a_tenant_that_is_pinned_to_a_yanked_release_is_told_that_it_was_taken_back_and_not_why(
    house: House, clinic: str
) -> None:
    await pin(house, "clinic", 1)
    await yank(house, 1)
    answer = await house.ask(clinic, model=NAME)
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == (f"{NAME}@1 was taken back; ask whoever runs the gateway for another")
    status = (await house.admin("GET", "/api/v1/status")).json()["adapters"]
    assert {row["release"]: row["problem"] for row in status}[f"{NAME}@1"] == "yanked: it harms"


@pytest.mark.parametrize("who", ["tenant", "admin"])
async def test_a_yanked_release_cannot_be_asked_by_its_number(house: House, clinic: str, who: str) -> None:
    key = clinic if who == "tenant" else house.admin_key
    await yank(house, 2)
    answer, missing = await house.ask(key, model=f"{NAME}@2"), await house.ask(key, model=f"{NAME}@99")
    assert answer.status_code == missing.status_code == 404
    assert answer.text == missing.text.replace("@99", "@2")
    models = await house.client.get("/v1/models", headers={"Authorization": f"Bearer {key}"})
    assert f"{NAME}@2" not in models.text


async def test_no_act_brings_a_yanked_release_back_and_the_refusal_says_why(house: House, clinic: str) -> None:
    await yank(house, 2)
    for method, path, body in (
        ("POST", "promote", {"release": 2}),
        ("POST", "rollback", {"to": 2}),
        ("PUT", "channels/canary", {"release": 2, "weight": 5}),
        ("PUT", "channels/shadow", {"release": 2, "weight": 5}),
        ("PUT", "pins/clinic", {"release": 2}),
    ):
        response = await house.admin(method, f"{ADAPTER}/{path}", json=body)
        assert response.status_code == 409, (path, response.text)
        assert "was yanked: it harms" in response.text


async def test_a_yank_is_shown_in_lists_diffs_and_the_log(house: House, clinic: str) -> None:
    await yank(house, 2)
    releases = (await house.admin("GET", f"{ADAPTER}/releases")).json()["data"]
    yanks = {row["number"]: row["yanked"] for row in releases}
    assert (yanks[1], yanks[3]) == (None, None)
    assert (yanks[2]["actor"], yanks[2]["reason"]) == ("admin", "it harms")
    diff = (await house.admin("GET", f"/api/v1/diff?to={NAME}@2")).json()
    assert diff["to"]["yanked"]["reason"] == "it harms"
    events = (await house.admin("GET", f"/api/v1/events?adapter={NAME}")).json()["data"]
    assert [event["action"] for event in events[-2:]] == ["yank", "rollback"]


async def test_a_yank_that_is_taken_back_lets_pinned_tenants_ask_again(house: House, clinic: str) -> None:
    await pin(house, "clinic", 1)
    await yank(house, 1)
    response = await house.admin("POST", f"{ADAPTER}/releases/1/unyank", json={"reason": "false alarm"})
    assert response.status_code == 200
    answer = await house.ask(clinic, model=NAME)
    assert answer.headers["x-postil-release"] == f"{NAME}@1"
    assert (await house.admin("POST", f"{ADAPTER}/releases/1/unyank", json={})).status_code == 409


async def test_a_publisher_yanks_in_its_domain_alone_and_gives_a_reason(house: House, clinic: str) -> None:
    person = await staff(house, Role.PUBLISHER, "healthcare")
    stranger = await staff(house, Role.PUBLISHER, "legal", owner="eve")
    path = f"{ADAPTER}/releases/3/yank"
    assert await stranger.status("POST", path, json={"reason": "x"}) == 403
    assert await person.status("POST", path, json={}) == 400
    assert await person.status("POST", path, json={"reason": " "}) == 400
    assert await person.status("POST", path, json={"reason": "it harms"}) == 200


async def test_a_yank_needs_no_engine(house: House, clinic: str) -> None:
    house.engine.refuse_load = "no place left"
    adapter_cache = house.runtime.engine.ready()[1]
    adapter_cache.evict(inside(house, 1))
    assert (await yank(house, 2)).json()["live"] == 1


async def test_another_gateway_stops_serving_a_yanked_release(tmp_path: Path, shared: str) -> None:
    async with two_houses(tmp_path, shared) as (one, two, _):
        key = await opened(one, 2)
        await move(one, "promote", 2)
        await until(lambda: two.serves(NAME) and served(two) == (2, None))
        await yank(one, 2)
        await until(lambda: served(two) == (1, None))
        assert (await two.ask(key, model=NAME)).headers["x-postil-release"] == f"{NAME}@1"


async def test_a_pinned_tenant_of_another_gateway_is_refused_too(tmp_path: Path, shared: str) -> None:
    async with two_houses(tmp_path, shared) as (one, two, _):
        key = await opened(one, 2)
        await pin(one, "clinic", 2)
        await until(lambda: two.serves(NAME) and "clinic" in entry(two).pins)
        await yank(one, 2)
        await until(lambda: 2 in entry(two).yanked)
        assert (await two.ask(key, model=NAME)).status_code == 404


def entry(house: House) -> Any:
    return house.runtime.catalog.current.entries[NAME]
