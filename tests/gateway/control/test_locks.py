"""Who changes one adapter does not wait for who changes another."""

from __future__ import annotations

import asyncio

from postil.gateway.control.locks import AdapterLocks
from postil.registry.names import AdapterName
from tests.gateway.conftest import FREE_TEXT, House, until

TRIAGE, NOTES = "/api/v1/adapters/healthcare/triage", "/api/v1/adapters/legal/notes"


async def test_a_rollback_does_not_wait_for_the_load_of_another_adapter(house: House) -> None:
    for seed in range(2):
        await house.publish("healthcare/triage", FREE_TEXT, seed=seed)
        await house.publish("legal/notes", FREE_TEXT, seed=10 + seed, live=False)
    loads = house.engine.loads
    house.engine.load_gate.clear()
    slow = asyncio.create_task(house.admin("POST", f"{NOTES}/promote", json={"release": 2}))
    await until(lambda: house.engine.loads == loads + 1)
    answer = await house.admin("POST", f"{TRIAGE}/rollback", json={"reason": "worse"})
    assert (answer.status_code, answer.json()["live"], slow.done()) == (200, 1, False)
    house.engine.load_gate.set()
    assert (await slow).json()["live"] == 2


async def test_nor_for_the_load_of_a_release_of_the_same_adapter(house: House) -> None:
    for seed in range(3):
        await house.publish("healthcare/triage", FREE_TEXT, seed=seed, live=seed < 2)
    loads = house.engine.loads
    house.engine.load_gate.clear()
    slow = asyncio.create_task(house.admin("POST", f"{TRIAGE}/promote", json={"release": 3}))
    await until(lambda: house.engine.loads == loads + 1)
    answer = await house.admin("POST", f"{TRIAGE}/rollback", json={"reason": "worse"})
    assert (answer.status_code, answer.json()["live"], slow.done()) == (200, 1, False)
    house.engine.load_gate.set()
    assert (await slow).json()["live"] == 3


async def test_changes_of_one_adapter_come_one_after_the_other() -> None:
    locks, name, seen = AdapterLocks(), AdapterName("legal", "notes"), list[str]()

    async def change(text: str) -> None:
        async with locks.of(name):
            seen.append(f"{text} begins")
            await asyncio.sleep(0)
            seen.append(f"{text} ends")

    await asyncio.gather(change("a"), change("b"))
    assert seen == ["a begins", "a ends", "b begins", "b ends"]


async def test_a_lock_is_gone_with_its_last_user() -> None:
    locks = AdapterLocks()
    async with locks.of(AdapterName("legal", "notes")):
        assert len(locks._locks) == 1
    assert len(locks._locks) == 0
