"""More adapters than the engine has room for: all answer, what is held stays bounded, and starting waits for few."""

from __future__ import annotations

import asyncio
from pathlib import Path

from postil.gateway.engine.supervisor import Phase
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import FREE_TEXT, House, running_house, until

NAMES = [f"healthcare/a{number}" for number in range(6)]


def inside(house: House, name: str) -> str:
    return house.runtime.catalog.current.entries[name].releases[1].engine_name


def asked(house: House) -> int:
    """How many requests of clients the engine has: the gateway asks what it has loaded, too."""
    return sum("my head hurts" in str(body["messages"]) for body in house.engine.requests)


async def filled(house: House) -> str:
    for seed, name in enumerate(NAMES):
        await house.publish(name, FREE_TEXT, seed=seed)
    return await house.tenant("clinic", "healthcare")


async def restart(house: House) -> None:
    house.engine.healthy = False
    await until(lambda: house.runtime.engine.phase is Phase.DOWN)
    house.engine.adapters.clear()
    house.engine.requests.clear()
    house.engine.healthy = True
    await until(lambda: house.runtime.engine.phase is Phase.READY)


async def test_all_answer_and_no_more_are_held_than_there_is_room_for(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with running_house(tmp_path, *engine_at, max_loras=2, max_cpu_loras=3) as house:
        key = await filled(house)
        for name in [*NAMES, *reversed(NAMES)]:
            response = await house.ask(key, model=name)
            assert response.headers["x-postil-release"] == f"{name}@1"
            await until(lambda: len(house.engine.adapters) <= 3)
            # What answers for the domain stays, however long nobody asked for it.
            assert inside(house, NAMES[0]) in house.engine.adapters
        answers = await asyncio.gather(*(house.ask(key, model=name) for name in NAMES * 5))
        assert {answer.status_code for answer in answers} == {200}
        await until(lambda: len(house.engine.adapters) <= 3)


async def test_a_restart_waits_for_as_many_as_there_are_slots_and_the_rest_follows_while_there_is_room(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with running_house(tmp_path, *engine_at, max_loras=2, max_cpu_loras=4) as house:
        key = await filled(house)
        loads = house.engine.loads
        await restart(house)
        await until(lambda: len(house.engine.adapters) == 4)
        await until(lambda: len([one for one in house.engine.requests if one["model"] != "base"]) == 4)
        assert house.engine.loads == loads + 4
        house.runtime.engine.reconcile()
        assert (await house.ask(key, model=NAMES[5])).status_code == 200
        await until(lambda: len(house.engine.adapters) == 4)
        # Nobody loads what had to go only to push out something else.
        assert house.engine.loads == loads + 5


async def test_what_waits_is_loaded_meanwhile(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> None:
    async with running_house(tmp_path, *engine_at, max_loras=1, max_cpu_loras=2) as house:
        key = await filled(house)
        for name in (NAMES[3], NAMES[4]):
            await house.ask(key, model=name)
        house.engine.gate.clear()
        first = asyncio.create_task(house.ask(key, model=NAMES[4]))
        await until(lambda: asked(house) == 3)
        second = asyncio.create_task(house.ask(key, model=NAMES[5]))
        await until(lambda: inside(house, NAMES[5]) in house.engine.adapters)
        assert asked(house) == 3
        house.engine.gate.set()
        assert {answer.status_code for answer in await asyncio.gather(first, second)} == {200}
