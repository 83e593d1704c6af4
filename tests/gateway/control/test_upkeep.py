"""What is done now and then is done by one gateway, and not again after a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.control.upkeep import Chore, Upkeep
from postil.gateway.errors import BusyError
from postil.registry.errors import UnavailableError
from tests.fakes.adapters import write_adapter
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import House, running_house


class Counted:
    """A chore that counts how often it is done."""

    def __init__(self) -> None:
        self.times = 0
        self.fails = False

    async def act(self) -> None:
        """Do it, or fail."""
        if self.fails:
            raise UnavailableError("the database is gone")
        self.times += 1


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


async def test_a_chore_is_done_by_one_gateway_once_in_its_time(house: House) -> None:
    done, clock = Counted(), Clock()
    gateways = [Upkeep(house.runtime.registry, (Chore("a chore", 100, done.act),), clock) for _ in range(2)]
    await asyncio.gather(*(gateway.do_due() for gateway in gateways))
    assert done.times == 1
    clock.now += 99
    await gateways[0].do_due()
    assert done.times == 1
    clock.now += 1
    for gateway in gateways:
        await gateway.do_due()
    assert done.times == 2


async def test_a_chore_that_is_not_done_at_once_waits_for_its_time(house: House) -> None:
    done, clock = Counted(), Clock()
    upkeep = Upkeep(house.runtime.registry, (Chore("a chore", 100, done.act, at_once=False),), clock)
    await upkeep.do_due()
    assert done.times == 0
    clock.now += 100
    await upkeep.do_due()
    assert done.times == 1


async def test_a_chore_that_fails_is_done_the_next_time(house: House) -> None:
    done = Counted()
    done.fails = True
    upkeep = Upkeep(house.runtime.registry, (Chore("a chore", 100, done.act),))
    await upkeep.do_due()
    done.fails = False
    await upkeep.do_due()
    assert done.times == 1


@pytest.mark.parametrize("error", [BusyError("too much is under way"), UnavailableError("gone"), OSError("full")])
async def test_what_one_gateway_could_not_do_another_does_at_once(house: House, error: Exception) -> None:
    done = Counted()

    async def fails() -> None:
        raise error

    one, other = [Upkeep(house.runtime.registry, (Chore("a chore", 100, act),)) for act in (fails, done.act)]
    await one.do_due()
    assert done.times == 0
    await other.do_due()
    assert done.times == 1


async def test_a_gateway_that_is_stopped_in_a_chore_leaves_it_to_the_others(house: House) -> None:
    done, begun = Counted(), asyncio.Event()

    async def hangs() -> None:
        begun.set()
        await asyncio.Event().wait()

    one, other = [Upkeep(house.runtime.registry, (Chore("a chore", 100, act),)) for act in (hangs, done.act)]
    stopped = asyncio.create_task(one.do_due())
    await begun.wait()
    await other.do_due()
    assert done.times == 0, "one at a time"
    stopped.cancel()
    await asyncio.wait({stopped})
    assert stopped.cancelled()
    await other.do_due()
    assert done.times == 1


async def test_without_a_registry_nothing_is_done_and_nothing_raised() -> None:
    done = Counted()
    await Upkeep(RegistryHandle(), (Chore("a chore", 100, done.act),)).do_due()
    assert done.times == 0


async def test_garbage_is_collected_on_a_schedule_where_a_setting_says_so(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with running_house(tmp_path, *engine_at, gc_interval_hours=1, gc_keep=1) as house:
        for seed in range(3):
            await house.publish("healthcare/triage", seed=seed, live=seed == 0)
        database = house.runtime.registry.database()
        await house.runtime.upkeep.do_due()
        assert len(house.runtime.registry.get().artifacts.sizes()) == 3
        with database.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE lease SET position = 0, expires_at = '2020-01-01 00:00:00'")
        await house.runtime.upkeep.do_due()
        assert len(house.runtime.registry.get().artifacts.sizes()) == 2
        events = (await house.admin("GET", "/api/v1/events")).json()["data"]
        assert [event["actor"] for event in events if event["action"] == "collect"] == ["postil"]
        assert (await house.upload("healthcare/triage", write_adapter(tmp_path / "again", seed=1))).status_code == 201
