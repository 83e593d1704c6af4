"""Releases and adapters out of service, through the door and on other gateways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import FREE_TEXT, House, bearer, running_house, until
from tests.gateway.control.test_change_feed import shared as shared
from tests.gateway.control.test_change_feed import two_houses
from tests.registry.conftest import pg_folder as pg_folder
from tests.registry.conftest import postgres as postgres

NAME = "healthcare/triage"
ADAPTER = f"/api/v1/adapters/{NAME}"
GONE = f"the model '{NAME}@1' does not exist; GET /v1/models lists those there are"


@pytest.fixture
async def clinic(house: House) -> str:
    """Two releases, the second live, another adapter of the domain, and the key of a tenant."""
    for seed in range(2):
        await house.publish(NAME, FREE_TEXT, seed=seed)
    await house.publish("healthcare/notes", FREE_TEXT)
    return await house.tenant("clinic", "healthcare", rights=["base", "numbers"])


async def act(house: House, path: str, status: int = 200) -> dict[str, Any]:
    """Retire or restore."""
    response = await house.admin("POST", f"{ADAPTER}/{path}", json={"reason": "old"})
    assert response.status_code == status, response.text
    return dict(response.json())


async def refused(house: House, key: str, model: str | None) -> str:
    """The sentence of a model error."""
    response = await house.ask(key, **({} if model is None else {"model": model}))
    assert response.status_code == 404, response.text
    error = response.json()["error"]
    assert (error["code"], error["param"]) == ("model_not_found", "model")
    return str(error["message"])


async def answered_by(house: House, key: str, **body: Any) -> str:
    """The release that answered."""
    response = await house.ask(key, **body)
    assert response.status_code == 200, response.text
    return response.headers["x-postil-release"]


async def models(house: House, key: str) -> set[str]:
    """What a key may ask."""
    return {model["id"] for model in (await house.client.get("/v1/models", headers=bearer(key))).json()["data"]}


async def test_a_retired_release_is_gone_for_who_asks_and_back_when_it_is_restored(house: House, clinic: str) -> None:
    assert await answered_by(house, clinic, model=f"{NAME}@1") == f"{NAME}@1"
    state = await act(house, "releases/1/retire")
    assert [(row["number"], row["retired"]) for row in state["releases"]] == [(2, False), (1, True)]
    assert await refused(house, clinic, f"{NAME}@1") == GONE
    assert f"{NAME}@1" not in await models(house, clinic)
    assert await answered_by(house, clinic, model=NAME) == f"{NAME}@2"
    rollback = await house.admin("POST", f"{ADAPTER}/rollback", json={})
    assert rollback.status_code == 409
    await act(house, "releases/1/restore")
    assert await answered_by(house, clinic, model=f"{NAME}@1") == f"{NAME}@1"
    assert f"{NAME}@1" in await models(house, clinic)


async def test_the_live_release_is_not_retired(house: House, clinic: str) -> None:
    response = await act(house, "releases/2/retire", 409)
    assert f"postil adapters retire {NAME}" in response["detail"]
    assert await answered_by(house, clinic, model=NAME) == f"{NAME}@2"


async def test_a_tenant_that_is_pinned_to_a_retired_release_keeps_it(house: House, clinic: str) -> None:
    await house.admin("PUT", f"{ADAPTER}/pins/clinic", json={"release": 1})
    await act(house, "releases/1/retire")
    assert await answered_by(house, clinic, model=NAME) == f"{NAME}@1"
    assert await answered_by(house, clinic, model=f"{NAME}@1") == f"{NAME}@1"
    other = await house.tenant("ward", "healthcare")
    assert await answered_by(house, other, model=NAME) == f"{NAME}@2"


async def test_a_retired_adapter_answers_nobody_by_no_name(house: House, clinic: str) -> None:
    await house.admin("PUT", f"{ADAPTER}/pins/clinic", json={"release": 1})
    assert (await act(house, "retire"))["retired"] is True
    for model in (None, "auto", "healthcare", NAME, f"{NAME}@1", f"{NAME}@2"):
        assert f"{NAME} is retired" in await refused(house, clinic, model)
    assert await models(house, clinic) == {"healthcare/notes", "healthcare/notes@1", "base"}
    status = (await house.admin("GET", "/api/v1/status")).json()["adapters"]
    assert [row["release"] for row in status] == ["healthcare/notes@1"]
    promoted = await house.admin("POST", f"{ADAPTER}/promote", json={"release": 1})
    assert (promoted.status_code, "is retired" in promoted.json()["detail"]) == (409, True)
    assert (await act(house, "restore"))["retired"] is False
    assert await answered_by(house, clinic, model="healthcare") == f"{NAME}@1"


async def test_another_adapter_takes_over_a_domain_whose_own_is_retired(house: House, clinic: str) -> None:
    await act(house, "retire")
    response = await house.admin("PUT", "/api/v1/domains/healthcare/default", json={"adapter": "notes"})
    assert (response.status_code, response.json()["default"]) == (200, True)
    assert await answered_by(house, clinic) == "healthcare/notes@1"
    again = await house.admin("PUT", "/api/v1/domains/healthcare/default", json={"adapter": "notes"})
    assert again.status_code == 409
    wrong = await house.admin("PUT", "/api/v1/domains/healthcare/default", json={"adapter": "No One"})
    assert wrong.status_code == 400


async def test_what_is_retired_stays_so_after_a_restart(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> None:
    async with running_house(tmp_path, *engine_at) as house:
        for seed in range(2):
            await house.publish(NAME, FREE_TEXT, seed=seed)
        key = await house.tenant("clinic", "healthcare", rights=["base", "numbers"])
        assert await answered_by(house, key, model=f"{NAME}@1") == f"{NAME}@1"
        await act(house, "releases/1/retire")
    async with running_house(tmp_path, *engine_at) as house:
        assert await refused(house, key, f"{NAME}@1") == GONE
        assert await answered_by(house, key, model=f"{NAME}@2") == f"{NAME}@2"
        await act(house, "retire")
    async with running_house(tmp_path, *engine_at) as house:
        assert f"{NAME} is retired" in await refused(house, key, "healthcare")


async def test_another_gateway_follows_at_once(tmp_path: Path, shared: str) -> None:
    async with two_houses(tmp_path, shared) as (one, two, _):
        for seed in range(2):
            await one.publish(NAME, FREE_TEXT, seed=seed)
        await one.publish("healthcare/notes", FREE_TEXT)
        key = await one.tenant("clinic", "healthcare", rights=["base", "numbers"])
        entries = two.runtime.catalog.current.entries
        await until(lambda: two.runtime.callers.current.knows("clinic") and two.serves("healthcare/notes"))
        assert await answered_by(two, key, model=f"{NAME}@1") == f"{NAME}@1"
        await act(one, "releases/1/retire")
        await until(lambda: two.runtime.catalog.current.entries[NAME].retired.releases == {1})
        assert entries is not two.runtime.catalog.current.entries
        assert await refused(two, key, f"{NAME}@1") == GONE
        await act(one, "retire")
        await until(lambda: two.runtime.catalog.current.entries[NAME].retired.adapter)
        assert f"{NAME} is retired" in await refused(two, key, "healthcare")
        await one.admin("PUT", "/api/v1/domains/healthcare/default", json={"adapter": "notes"})
        await until(lambda: two.runtime.catalog.current.defaults == {"healthcare": "notes"})
        assert await answered_by(two, key, model="healthcare") == "healthcare/notes@1"


async def test_how_many_releases_gc_keeps_is_a_setting(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> None:
    async with running_house(tmp_path, *engine_at, gc_keep=1) as house:
        for seed in range(3):
            await house.publish(NAME, FREE_TEXT, seed=seed, live=False)
        body = {"dry_run": True}
        found = (await house.admin("POST", "/api/v1/gc", json=body)).json()
        assert (found["keep"], len(found["garbage"])) == (1, 2)
        assert (await house.admin("POST", "/api/v1/gc", json={**body, "keep": 2})).json()["keep"] == 2
