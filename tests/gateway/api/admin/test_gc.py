"""Garbage collection through the door: what it says, and what is said of a release afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.adapters import write_adapter
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import FREE_TEXT, House, bearer, running_house, until
from tests.gateway.control.test_change_feed import two_houses
from tests.registry.conftest import create
from tests.registry.conftest import pg_folder as pg_folder
from tests.registry.conftest import postgres as postgres

ADAPTER = "/api/v1/adapters/healthcare/triage"
COLLECTED = "its files were collected; publish it again to serve it"


def artifacts(house: House) -> set[str]:
    """The artifacts on the disk, as a release names them."""
    return {f"sha256:{path.name}" for path in (house.folder / "home" / "artifacts" / "sha256").iterdir()}


@pytest.fixture
async def garbage(house: House, clinic: str) -> str:
    """Release 1 is live, 2 never was, 3 is the newest; returns the artifact of 2."""
    for seed in (1, 2):
        await house.publish("healthcare/triage", seed=seed, live=False)
    return str((await house.admin("GET", ADAPTER)).json()["releases"][1]["artifact"])


async def test_what_nobody_needs_is_said_and_deleted(house: House, garbage: str) -> None:
    dry = (await house.admin("POST", "/api/v1/gc", json={"dry_run": True, "keep": 1})).json()
    assert garbage in artifacts(house)
    done = (await house.admin("POST", "/api/v1/gc", json={"keep": 1})).json()
    assert garbage not in artifacts(house)
    (row,) = done["garbage"]
    assert (row["artifact"], row["releases"]) == (garbage, ["healthcare/triage@2"])
    assert row["reason"] == "never live, and not among the newest 1"
    assert done["bytes"] == row["bytes"] > 0
    assert done == {**dry, "dry_run": False}
    events = (await house.admin("GET", ADAPTER)).json()["events"]
    assert [(event["action"], event["from"], event["actor"]) for event in events[4:]] == [("collect", 2, "admin")]


async def test_ten_releases_of_each_adapter_are_kept_unless_fewer_are_asked_for(house: House, garbage: str) -> None:
    done = (await house.admin("POST", "/api/v1/gc", json={})).json()
    assert (done["keep"], done["garbage"]) == (10, [])


async def test_a_collected_release_says_so_to_whoever_asks_for_it(house: House, clinic: str, garbage: str) -> None:
    lab = await house.tenant("lab", "healthcare", rights=["numbers"])
    assert (await house.ask(lab, model="healthcare/triage@2")).status_code == 200
    await house.admin("POST", "/api/v1/gc", json={"keep": 1})
    response = await house.ask(lab, model="healthcare/triage@2")
    assert response.status_code == 503
    assert response.json()["error"]["message"] == f"healthcare/triage@2 cannot be served: {COLLECTED}"
    models = (await house.client.get("/v1/models", headers=bearer(lab))).json()["data"]
    assert "healthcare/triage@2" not in {model["id"] for model in models}
    problems = {row["number"]: row["problem"] for row in (await house.admin("GET", ADAPTER)).json()["releases"]}
    assert problems == {3: None, 2: COLLECTED, 1: None}
    assert (await house.ask(clinic)).headers["x-postil-release"] == "healthcare/triage@1"


async def test_a_collected_release_is_not_promoted(house: House, garbage: str) -> None:
    await house.admin("POST", "/api/v1/gc", json={"keep": 1})
    response = await house.admin("POST", f"{ADAPTER}/promote", json={"release": 2})
    assert response.status_code == 409
    assert response.json()["detail"] == (
        "the files of healthcare/triage@2 were collected; publish it again to serve it"
    )


async def test_published_again_it_is_the_same_release_and_is_served(house: House, clinic: str, garbage: str) -> None:
    lab = await house.tenant("lab", "healthcare", rights=["numbers"])
    await house.admin("POST", "/api/v1/gc", json={"keep": 1})
    again = await house.upload("healthcare/triage", write_adapter(house.folder / "again", seed=1))
    assert (again.json()["number"], again.json()["created"]) == (2, True)
    assert garbage in artifacts(house)
    assert (await house.ask(lab, model="healthcare/triage@2")).status_code == 200
    assert (await house.admin("POST", f"{ADAPTER}/promote", json={"release": 2})).status_code == 200
    assert (await house.ask(clinic)).headers["x-postil-release"] == "healthcare/triage@2"
    assert (await house.admin("GET", "/api/v1/audit")).json()["first_break"] is None


async def test_after_a_restart_it_is_still_known_what_was_collected(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with running_house(tmp_path, *engine_at) as house:
        for seed in range(2):
            await house.publish("legal/notes", FREE_TEXT, seed=seed, live=False)
        await house.admin("POST", "/api/v1/gc", json={"keep": 1})
    async with running_house(tmp_path, *engine_at) as house:
        key = await house.tenant("firm", "legal", rights=["numbers"])
        assert (await house.ask(key, model="legal/notes@1")).status_code == 503
        assert (await house.ask(key, model="legal/notes@2")).status_code == 200


async def test_files_that_no_release_names_are_collected(house: House, clinic: str) -> None:
    store = house.runtime.registry.get().artifacts
    with store.incoming() as folder:
        digest = store.put(write_adapter(folder / "adapter", seed=5))
    (row,) = (await house.admin("POST", "/api/v1/gc", json={})).json()["garbage"]
    assert (row["artifact"], row["releases"], row["reason"]) == (digest, [], "no release names it")
    assert len(artifacts(house)) == 1
    assert (await house.admin("GET", "/api/v1/events")).json()["data"][-1]["subject"] == "artifacts"


async def test_every_gateway_over_the_same_files_knows_what_one_collected(tmp_path: Path, postgres: str) -> None:
    async with two_houses(tmp_path, create(postgres)) as (one, two, _):
        await one.publish("healthcare/triage")
        for seed in (1, 2):
            await one.publish("healthcare/triage", seed=seed, live=False)
        await one.admin("POST", "/api/v1/gc", json={"keep": 1})
        await until(lambda: 2 in two.runtime.catalog.current.entries["healthcare/triage"].broken)
        response = await two.admin("POST", f"{ADAPTER}/promote", json={"release": 2})
        assert (response.status_code, response.json()["detail"]) == (
            409,
            "the files of healthcare/triage@2 were collected; publish it again to serve it",
        )
        await two.upload("healthcare/triage", write_adapter(tmp_path / "again", seed=1))
        await until(lambda: 2 in one.runtime.catalog.current.entries["healthcare/triage"].releases)
        assert (await one.admin("POST", f"{ADAPTER}/promote", json={"release": 2})).status_code == 200


@pytest.mark.parametrize("body", [{"keep": -1}, {"keep": "all"}, {"force": True}])
async def test_a_wrong_wish_is_refused(house: House, body: object) -> None:
    response = await house.admin("POST", "/api/v1/gc", json=body)
    assert response.status_code == 400
    assert response.json()["detail"]


async def test_only_the_admin_collects(house: House, clinic: str) -> None:
    assert (await house.client.post("/api/v1/gc", json={})).status_code == 401
    assert (await house.client.post("/api/v1/gc", json={}, headers=bearer(clinic))).status_code == 403
