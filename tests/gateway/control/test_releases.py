"""Publish, promote and roll back on a running gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.adapters import write_adapter
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import FREE_TEXT, TRIAGE, House, running_house, until

ADAPTER = "/api/v1/adapters/healthcare/triage"


def files_of(folder: Path) -> set[str]:
    """Everything below the artifact store."""
    return {str(path.relative_to(folder)) for path in (folder / "home" / "artifacts").rglob("*")}


async def test_the_next_request_after_a_promote_gets_the_new_release(house: House, clinic: str) -> None:
    await house.publish("healthcare/triage", seed=1)
    assert (await house.ask(clinic)).headers["x-postil-release"] == "healthcare/triage@2"


async def test_rolling_back_takes_weights_and_behaviour_back(house: House, clinic: str) -> None:
    await house.ask(clinic)
    before = house.engine.requests[-1]
    await house.publish("healthcare/triage", "system_prompt: Something else.", seed=1)
    await house.ask(clinic)
    assert house.engine.requests[-1]["messages"][0]["content"] == "Something else."
    assert (await house.admin("POST", f"{ADAPTER}/rollback", json={"reason": "worse"})).status_code == 200
    response = await house.ask(clinic)
    assert response.headers["x-postil-release"] == "healthcare/triage@1"
    assert house.engine.requests[-1] == before


async def test_a_request_in_flight_ends_on_the_release_it_began_with(house: House, clinic: str) -> None:
    house.engine.gate.clear()
    asking = asyncio.create_task(house.ask(clinic))
    await until(lambda: len(house.engine.requests) == 1)
    await house.publish("healthcare/triage", seed=1)
    house.engine.gate.set()
    assert (await asking).headers["x-postil-release"] == "healthcare/triage@1"
    assert (await house.ask(clinic)).headers["x-postil-release"] == "healthcare/triage@2"


async def test_the_log_says_who_when_and_why(house: House, clinic: str) -> None:
    await house.publish("healthcare/triage", seed=1)
    await house.admin("POST", f"{ADAPTER}/rollback", json={"to": 1, "reason": "too many reviews"})
    state = (await house.admin("GET", ADAPTER)).json()
    assert state["live"] == 1
    assert [release["live"] for release in state["releases"]] == [False, True]
    last = state["events"][-1]
    assert (last["action"], last["from"], last["to"], last["reason"]) == ("rollback", 2, 1, "too many reviews")
    assert last["at"].endswith("Z")


async def test_an_adapter_that_the_engine_refuses_is_not_made_live(house: House, clinic: str) -> None:
    number = await house.publish("healthcare/triage", seed=1, live=False)
    house.engine.refuse_load = "out of memory"
    response = await house.admin("POST", f"{ADAPTER}/promote", json={"release": number})
    assert response.status_code == 422
    assert "out of memory" in response.json()["detail"]
    assert (await house.ask(clinic)).headers["x-postil-release"] == "healthcare/triage@1"
    assert [event["action"] for event in (await house.admin("GET", ADAPTER)).json()["events"]].count("promote") == 1


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda folder: (folder / "adapter_model.safetensors").write_bytes(b"junk"), "corrupt"),
        (lambda folder: (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin"), "holds no"),
        (lambda folder: (folder / "adapter_config.json").unlink(), "holds no adapter_config.json"),
    ],
)
async def test_a_bad_adapter_is_refused_and_nothing_changes(
    house: House, clinic: str, spoil: Callable[[Path], Any], says: str
) -> None:
    source = write_adapter(house.folder / "bad", seed=5)
    spoil(source)
    files, state = files_of(house.folder), (await house.admin("GET", ADAPTER)).json()
    response = await house.upload("healthcare/triage", source)
    assert response.status_code == 422
    assert says in response.json()["detail"]
    assert files_of(house.folder) == files
    assert (await house.admin("GET", ADAPTER)).json() == state


async def test_the_same_adapter_and_policy_are_the_same_release(house: House, clinic: str) -> None:
    again = await house.upload("healthcare/triage", write_adapter(house.folder / "again"), TRIAGE)
    assert (again.json()["number"], again.json()["created"]) == (1, False)


async def test_without_a_policy_the_one_in_force_stays(house: House, clinic: str) -> None:
    other = await house.upload("healthcare/triage", write_adapter(house.folder / "other", seed=9))
    first = (await house.admin("GET", ADAPTER)).json()["releases"][-1]
    assert other.json()["policy_digest"] == first["policy_digest"]


async def test_a_release_live_on_two_policies_is_loaded_once(house: House, clinic: str) -> None:
    loads = house.engine.loads
    await house.upload("healthcare/triage", write_adapter(house.folder / "again"), FREE_TEXT)
    await house.admin("POST", f"{ADAPTER}/promote", json={"release": 2})
    assert (await house.ask(clinic)).headers["x-postil-release"] == "healthcare/triage@2"
    assert house.engine.loads == loads


async def test_many_first_requests_load_an_adapter_once(house: House, clinic: str) -> None:
    await house.publish("healthcare/triage", seed=1, live=False)
    loads, lab = house.engine.loads, await house.tenant("lab", "healthcare", rights=["numbers"])
    answers = await asyncio.gather(*(house.ask(lab, model="healthcare/triage@2") for _ in range(16)))
    assert {answer.status_code for answer in answers} == {200}
    assert house.engine.loads == loads + 1


WRONG: list[tuple[str, str, Any, int]] = [
    ("POST", f"{ADAPTER}/promote", {"release": 1}, 409),
    ("POST", f"{ADAPTER}/promote", {"release": 7}, 404),
    ("POST", f"{ADAPTER}/promote", {"release": "two"}, 400),
    ("POST", f"{ADAPTER}/promote", {}, 400),
    ("POST", f"{ADAPTER}/promote", {"release": 1, "force": True}, 400),
    ("POST", f"{ADAPTER}/rollback", {}, 409),
    ("POST", "/api/v1/adapters/healthcare/none/rollback", {}, 404),
    ("GET", "/api/v1/adapters/healthcare/none", None, 404),
    ("GET", "/api/v1/adapters/UPPER/case", None, 400),
    ("POST", f"{ADAPTER}/releases", None, 400),
    ("POST", "/api/v1/tenants", {"name": "clinic", "domains": ["healthcare"]}, 409),
    ("POST", "/api/v1/tenants", {"name": "new", "domains": ["No Domain"]}, 400),
    ("DELETE", "/api/v1/tenants/none", None, 404),
]


async def test_a_wrong_act_is_a_problem_with_a_sentence(house: House, clinic: str) -> None:
    for method, path, body, status in WRONG:
        response = await house.admin(method, path, **({} if body is None else {"json": body}))
        assert response.status_code == status, (path, body, response.text)
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["detail"]


async def test_only_the_admin_administers(house: House, clinic: str) -> None:
    for path in ("/api/v1/adapters", "/api/v1/tenants", "/api/v1/status", "/api/v1/plugins"):
        assert (await house.client.get(path)).status_code == 401, path
        assert (await house.client.get(path, headers={"Authorization": f"Bearer {clinic}"})).status_code == 403, path
        assert (await house.admin("GET", path)).status_code == 200, path


async def test_a_bad_policy_is_refused_in_one_sentence(house: House, clinic: str) -> None:
    for policy, says in (
        ("validators: [{name: nonesuch}]", "no validator is called 'nonesuch'"),
        ("output: {labels: []}", "output"),
        ("colour: red", "colour"),
        ("- a list", "mapping"),
    ):
        response = await house.upload("healthcare/triage", write_adapter(house.folder / says[:3]), policy)
        assert response.status_code == 422
        assert says in response.json()["detail"]


async def test_after_a_restart_what_was_live_is_live_and_loaded(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    engine, url = engine_at
    async with running_house(tmp_path, engine, url) as house:
        await house.publish("healthcare/triage")
        key = await house.tenant("clinic", "healthcare")
    loaded = dict(engine.adapters)
    engine.adapters.clear()
    async with running_house(tmp_path, engine, url) as house:
        assert engine.adapters == loaded
        assert (await house.ask(key)).headers["x-postil-release"] == "healthcare/triage@1"
        assert (await house.admin("GET", "/api/v1/status")).json()["adapters"][0]["loaded"] is True


async def test_a_release_that_cannot_be_loaded_does_not_stop_the_others(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    engine, url = engine_at
    async with running_house(tmp_path, engine, url) as house:
        await house.publish("healthcare/triage")
        await house.publish("legal/clause", FREE_TEXT, seed=1)
        keys = [await house.tenant("clinic", "healthcare"), await house.tenant("firm", "legal")]
        artifact = house.runtime.catalog.current.entries["healthcare/triage"].releases[1].artifact
    engine.adapters.clear()
    kept = tmp_path / "home" / "artifacts" / "sha256" / artifact.removeprefix("sha256:")
    (kept / "adapter_config.json").write_text("{}")
    async with running_house(tmp_path, engine, url) as house:
        assert (await house.ask(keys[1])).status_code == 200
        assert (await house.ask(keys[0])).status_code == 503
        rows = (await house.admin("GET", "/api/v1/status")).json()["adapters"]
        problems = {row["release"]: row["problem"] for row in rows}
        assert problems["legal/clause@1"] is None
        assert "damaged" in problems["healthcare/triage@1"]


async def test_an_upload_over_the_limit_is_refused(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> None:
    async with running_house(tmp_path, *engine_at, upload_limit_mib=1) as house:
        source = write_adapter(tmp_path / "big")
        (source / "adapter_model.safetensors").write_bytes(b"x" * (3 << 20))
        response = await house.upload("healthcare/triage", source)
        assert response.status_code == 413
        assert (await house.admin("GET", "/api/v1/adapters")).json()["data"] == []


async def test_the_admin_api_describes_itself(house: House) -> None:
    document = (await house.client.get("/api/v1/docs/openapi.json")).json()
    assert "/api/v1/adapters/{domain}/{adapter}/rollback" in document["paths"]


@pytest.mark.parametrize("note", ["a\0b", "x" * 5000])
async def test_a_note_that_cannot_be_kept_is_refused_and_nothing_changes(house: House, clinic: str, note: str) -> None:
    await house.publish("healthcare/triage", seed=1, live=False)
    before = (await house.admin("GET", ADAPTER)).json()
    response = await house.admin("POST", f"{ADAPTER}/promote", json={"release": 2, "reason": note})
    assert response.status_code == 400
    assert (await house.admin("GET", ADAPTER)).json() == before
