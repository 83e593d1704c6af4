"""What is wanted is in the engine, without anybody's asking; and what cannot be, says why."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from postil.gateway.engine.supervisor import Phase
from tests.fakes.adapters import write_adapter
from tests.fakes.vllm import FakeVLLM
from tests.gateway.channel_acts import ADAPTER, NAME, canary, damage, inside, loaded, mend, move, opened, pin, shadow
from tests.gateway.conftest import FREE_TEXT, TRIAGE, House, running_house, until

EVERYTHING = {f"{NAME}@1": True, f"{NAME}@2": True, f"{NAME}@3": True, f"{NAME}@4": True}


@pytest.fixture
async def full(house: House) -> str:
    """A live release, a canary, a shadow, a pinned one, and one that nobody needs; the pinned tenant's key."""
    return await filled(house)


async def filled(house: House) -> str:
    """Fill a gateway with releases of every kind."""
    key = await opened(house, 5)
    await canary(house, 2, 10)
    await shadow(house, 3)
    await pin(house, "clinic", 4)
    assert await loaded(house) == EVERYTHING
    return key


async def restart(house: House) -> None:
    """The engine goes, and comes again empty."""
    house.engine.healthy = False
    await until(lambda: house.runtime.engine.phase is Phase.DOWN)
    house.engine.adapters.clear()
    house.engine.requests.clear()
    house.engine.healthy = True
    await until(lambda: house.runtime.engine.phase is Phase.READY)


async def row(house: House, release: str) -> dict[str, Any]:
    """What the status says of a release."""
    rows = (await house.admin("GET", "/api/v1/status")).json()["adapters"]
    (found,) = [row for row in rows if row["release"] == release]
    return dict(found)


async def told(house: House, release: str, **wanted: Any) -> dict[str, Any]:
    """Wait until the status says that of a release."""
    async with asyncio.timeout(30):
        while True:
            found = await row(house, release)
            if wanted.items() <= found.items():
                return found


async def tried(house: House, release: str, times: int) -> None:
    """Wait until a release was tried so often in vain."""
    async with asyncio.timeout(30):
        while (await row(house, release))["attempts"] < times:
            pass


async def test_after_a_restart_of_the_engine_all_that_is_wanted_is_there_again(house: House, full: str) -> None:
    names = {inside(house, number) for number in (1, 2, 3, 4)}
    await restart(house)
    assert set(house.engine.adapters) == names
    assert await loaded(house) == EVERYTHING
    # Each was asked once, as a client would, and so was the base; no client has asked anything.
    assert {body["model"] for body in house.engine.requests} == {*names, "base"}


async def test_after_a_restart_of_the_gateway_too(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> None:
    engine, url = engine_at
    async with running_house(tmp_path, engine, url) as house:
        key = await filled(house)
        names = {inside(house, number) for number in (1, 2, 3, 4)}
    engine.adapters.clear()
    async with running_house(tmp_path, engine, url) as house:
        assert set(engine.adapters) == names
        assert await loaded(house) == EVERYTHING
        assert (await house.ask(key)).headers["x-postil-release"] == f"{NAME}@4"
        rows = (await house.admin("GET", "/api/v1/status")).json()["adapters"]
        assert [row["reasons"] for row in rows] == [["live"], ["canary"], ["shadow"], ["pin of clinic"]]


async def test_what_cannot_be_loaded_says_why_is_tried_again_and_holds_up_nobody(house: House, full: str) -> None:
    house.engine.refuse_load, refused = "no place left", inside(house, 2)
    house.engine.refused = lambda body: bool(body["lora_name"] == refused)
    await restart(house)
    assert await loaded(house) == {**EVERYTHING, f"{NAME}@2": False}
    once = await row(house, f"{NAME}@2")
    assert once["attempts"] >= 1
    assert once["reasons"] == ["canary"]
    assert "the engine refused the adapter" in once["problem"]
    assert "no place left" in once["problem"]
    await tried(house, f"{NAME}@2", 2)
    house.engine.refuse_load = None
    assert await told(house, f"{NAME}@2", loaded=True) == {
        "release": f"{NAME}@2", "reasons": ["canary"], "loaded": True, "mismatches": [], "problem": None,
        "attempts": 0, "warnings": [],
    }  # fmt: skip


async def test_a_damaged_artifact_is_loaded_as_soon_as_it_is_whole_again(house: House, full: str) -> None:
    damage(house, 4)
    await restart(house)
    assert "damaged on disk" in (await row(house, f"{NAME}@4"))["problem"]
    mend(house, 4)
    await told(house, f"{NAME}@4", loaded=True, problem=None)


async def test_a_change_of_something_else_does_not_begin_the_waiting_anew(house: House, full: str) -> None:
    damage(house, 4)
    await restart(house)
    await tried(house, f"{NAME}@4", 2)
    await house.publish("legal/notes", FREE_TEXT, seed=9)
    await canary(house, 2, 20)
    await until(lambda: len(house.engine.adapters) == 4)
    assert (await row(house, f"{NAME}@4"))["attempts"] >= 2


async def test_what_a_request_loaded_is_no_trouble_any_more(house: House, full: str) -> None:
    damage(house, 4)
    await restart(house)
    await tried(house, f"{NAME}@4", 1)
    mend(house, 4)
    assert (await house.ask(full)).headers["x-postil-release"] == f"{NAME}@4"
    found = await row(house, f"{NAME}@4")
    assert (found["loaded"], found["problem"], found["attempts"]) == (True, None, 0)


async def test_what_nobody_wants_any_more_is_not_tried_any_more(house: House, full: str) -> None:
    damage(house, 4)
    await restart(house)
    await house.admin("DELETE", f"{ADAPTER}/pins/clinic")
    assert f"{NAME}@4" not in await loaded(house)
    failure = house.runtime.catalog.current.entries[NAME].releases[4]
    await until(lambda: house.runtime.engine.load_failure(failure) is None)


async def test_what_becomes_wanted_while_the_engine_is_down_is_loaded_when_it_is_up(house: House, full: str) -> None:
    house.engine.healthy = False
    await until(lambda: house.runtime.engine.phase is Phase.DOWN)
    response = await house.admin("POST", f"{ADAPTER}/promote", json={"release": 5})
    assert response.status_code == 503
    await house.admin("DELETE", f"{ADAPTER}/channels/canary")
    house.engine.adapters.clear()
    house.engine.healthy = True
    await until(lambda: house.runtime.engine.phase is Phase.READY)
    assert await loaded(house) == {name: True for name in EVERYTHING if name != f"{NAME}@2"}


async def test_an_engine_that_restarts_between_a_load_and_its_move_ends_up_with_the_release(
    house: House, full: str
) -> None:
    house.engine.load_gate.clear()
    loads = house.engine.loads
    moving = asyncio.create_task(move(house, "promote", 5))
    await until(lambda: house.engine.loads == loads + 1)
    house.engine.healthy = False
    await until(lambda: house.runtime.engine.phase is Phase.DOWN)
    house.engine.load_gate.set()
    await moving
    house.engine.adapters.clear()
    house.engine.healthy = True
    await until(lambda: house.runtime.engine.phase is Phase.READY)
    await told(house, f"{NAME}@5", loaded=True, reasons=["live"])
    assert inside(house, 5) in house.engine.adapters


async def test_a_release_for_another_base_is_seen_in_the_status_where_it_is_live(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with running_house(tmp_path, *engine_at) as house:
        await house.publish(NAME, TRIAGE)
    other = tmp_path / "base" / "model.safetensors"
    other.write_bytes(write_adapter(tmp_path / "x").joinpath("adapter_model.safetensors").read_bytes())
    async with running_house(tmp_path, *engine_at) as house:
        found = await row(house, f"{NAME}@1")
        assert (found["reasons"], found["loaded"], found["attempts"]) == (["live"], False, 0)
        assert found["problem"].startswith("made for another base")
