"""What people suffer from elsewhere, by its symptom: none of it may happen here. The engine is a fake one."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from postil.gateway.inference.routing.release import engine_name
from tests.fakes.vllm import Reply
from tests.gateway.conftest import FREE_TEXT, TRIAGE, House, bearer, until

ADAPTER = "/api/v1/adapters/healthcare/triage"


async def test_a_new_version_under_the_same_name_does_not_serve_the_old_ones_prefix_cache(
    house: House, clinic: str
) -> None:
    """The public name stays; the engine's name and the cache salt are of the release, so nothing is shared."""
    await house.ask(clinic)
    await house.publish("healthcare/triage", seed=1)
    await house.ask(clinic)
    old, new = house.engine.requests[-2:]
    assert old["model"] != new["model"]
    assert old["cache_salt"] != new["cache_salt"]


async def test_the_same_name_with_other_weights_never_shares_an_engine_name(house: House, clinic: str) -> None:
    for seed in range(1, 4):
        await house.publish("healthcare/triage", seed=seed)
    rows = (await house.admin("GET", ADAPTER)).json()["releases"]
    assert len({engine_name(row["artifact"]) for row in rows}) == len(rows) == 4
    assert set(house.engine.adapters) == {engine_name(row["artifact"]) for row in rows}


async def test_nothing_is_ever_loaded_in_place(house: House, clinic: str) -> None:
    """A name means one set of weights for ever: going to and fro loads each once, and replaces none."""
    await house.publish("healthcare/triage", seed=1)
    loads = house.engine.loads
    for _ in range(3):
        await house.admin("POST", f"{ADAPTER}/rollback", json={"to": 1})
        await house.admin("POST", f"{ADAPTER}/promote", json={"release": 2})
    assert house.engine.loads == loads == 2


async def test_an_adapter_that_somebody_unloaded_is_back_with_the_next_request(house: House, clinic: str) -> None:
    house.engine.adapters.clear()
    assert (await house.ask(clinic)).status_code == 200
    assert len(house.engine.adapters) == 1


async def test_a_request_in_flight_never_names_a_version_that_has_gone(house: House, clinic: str) -> None:
    house.engine.gate.clear()
    asking = asyncio.create_task(house.ask(clinic))
    await until(lambda: len(house.engine.requests) == 1)
    for seed in (1, 2):
        await house.publish("healthcare/triage", seed=seed)
    asked = house.engine.requests[0]["model"]
    assert asked in house.engine.adapters
    house.engine.gate.set()
    assert (await asking).status_code == 200


async def test_a_bad_adapter_takes_nobody_else_down(house: House, clinic: str) -> None:
    house.engine.refuse_load = "cannot be loaded"
    await house.publish("legal/clause", FREE_TEXT, seed=5, live=False)
    refused = await house.admin("POST", "/api/v1/adapters/legal/clause/promote", json={"release": 1})
    assert (refused.status_code, "cannot be loaded" in refused.json()["detail"]) == (422, True)
    assert (await house.ask(clinic)).status_code == 200


async def test_an_adapter_is_in_the_list_of_models_before_anybody_has_asked_it(house: House, clinic: str) -> None:
    listed = await house.client.get("/v1/models", headers=bearer(clinic))
    assert "healthcare/triage" in {model["id"] for model in listed.json()["data"]}
    assert not house.engine.requests


async def test_the_first_request_does_not_pay_for_the_load(house: House, clinic: str) -> None:
    await house.publish("healthcare/triage", seed=1)
    loads = house.engine.loads
    await house.ask(clinic)
    assert house.engine.loads == loads


async def test_one_release_that_cannot_be_served_does_not_hide_the_others(house: House, clinic: str) -> None:
    """Elsewhere an exception in one resolver is a 500 and ends the chain for all."""
    await house.publish("legal/clause", FREE_TEXT, seed=5)
    folder = house.runtime.settings.artifact_folder / "sha256"
    row = (await house.admin("GET", "/api/v1/adapters/legal/clause")).json()["releases"][0]
    (folder / row["artifact"].removeprefix("sha256:") / "adapter_model.safetensors").write_bytes(b"damaged")
    house.engine.adapters.clear()
    firm = await house.tenant("firm", "legal")
    answers = [await house.ask(firm), await house.ask(clinic)]
    assert [answer.status_code for answer in answers] == [503, 200]
    assert "damaged" not in answers[0].text


@pytest.mark.parametrize("moved", ["weights", "policy", "both"])
async def test_a_rollback_never_brings_back_only_half(house: House, moved: str) -> None:
    """Elsewhere weights and prompt are versioned apart, and a rollback of one leaves the other."""
    house.engine.reply = lambda body: Reply(text='{"category": "symptoms"}')
    await house.publish("healthcare/triage")
    key = await house.tenant("clinic", "healthcare")
    await house.ask(key)
    before = house.engine.requests[-1]
    policy = TRIAGE if moved == "weights" else TRIAGE.replace("Sort the message.", "Sort it otherwise.")
    await house.publish("healthcare/triage", policy, seed=0 if moved == "policy" else 1)
    await house.ask(key)
    assert house.engine.requests[-1] != before
    await house.admin("POST", f"{ADAPTER}/rollback", json={})
    await house.ask(key)
    assert house.engine.requests[-1] == before


async def test_what_was_live_at_any_instant_is_known(house: House, clinic: str) -> None:
    """Elsewhere a registry knows what is in production now, and not what was."""
    between = datetime.now(UTC).isoformat()
    await house.publish("healthcare/triage", seed=1)
    live = await house.admin("GET", "/api/v1/live", params={"at": between})
    assert [row["release"] for row in live.json()["data"]] == ["healthcare/triage@1"]
    now = await house.admin("GET", "/api/v1/live", params={"at": datetime.now(UTC).isoformat()})
    assert [row["release"] for row in now.json()["data"]] == ["healthcare/triage@2"]
