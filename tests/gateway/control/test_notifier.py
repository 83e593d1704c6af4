"""Gateways over one database tell listeners of each event once; when the one that does so ends, another goes on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from postil.registry.accounts.tenants import add_tenant
from postil.registry.db import leader
from postil.registry.db.database import Database
from tests.fakes.vllm import running_engine
from tests.gateway.conftest import House, running_house, until
from tests.gateway.control.test_change_feed import shared as shared
from tests.registry.conftest import pg_folder as pg_folder
from tests.registry.conftest import postgres as postgres


@asynccontextmanager
async def listening(folder: Path, name: str, database: str) -> AsyncIterator[House]:
    """A gateway that writes what it hears to a file of its own."""
    settings: dict[str, Any] = {
        "database_url": database,
        "artifacts": folder / "artifacts",
        "base_model": str(folder / "one" / "base"),
        "listeners": [{"name": "event_log", "config": {"path": str(folder / f"{name}.jsonl")}}],
    }
    async with running_engine() as (engine, url), running_house(folder / name, engine, url, **settings) as house:
        yield house


def heard(folder: Path, name: str) -> list[str]:
    """The tenants whose arrival a gateway's listener heard of, in order."""
    path = folder / f"{name}.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    rows = map(json.loads, lines)
    return [row["subject"] for row in rows if row["action"] == "tenant-add"]


async def test_each_event_is_told_once_and_another_gateway_takes_over(tmp_path: Path, shared: str) -> None:
    async with AsyncExitStack() as houses:
        gone = AsyncExitStack()
        one = await gone.enter_async_context(listening(tmp_path, "one", shared))
        two = await houses.enter_async_context(listening(tmp_path, "two", shared))
        before = [f"before{number}" for number in range(8)]
        for number, name in enumerate(before):
            await (one, two)[number % 2].tenant(name, "healthcare")
        await until(lambda: len(heard(tmp_path, "one") + heard(tmp_path, "two")) >= len(before))
        await gone.aclose()
        after = [f"after{number}" for number in range(4)]
        for name in after:
            await two.tenant(name, "healthcare")
        await until(lambda: heard(tmp_path, "two")[-len(after) :] == after)
        assert sorted(heard(tmp_path, "one") + heard(tmp_path, "two")) == sorted(before + after)


async def test_what_a_gateway_that_died_had_not_told_is_told_when_its_lease_is_over(
    tmp_path: Path, shared: str
) -> None:
    async with listening(tmp_path, "one", shared) as one:
        await one.tenant("first", "healthcare")
        await until(lambda: heard(tmp_path, "one") == ["first"])
        await until(lambda: told_all(one))
        database = one.runtime.registry.get().database
        with database.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE lease SET holder = 'dead', expires_at = now() + interval '1 hour'")
        await one.tenant("second", "healthcare")
        await until(lambda: one.runtime.callers.current.knows("second"))
        assert heard(tmp_path, "one") == ["first"]
        with database.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE lease SET expires_at = now()")
        await until(lambda: heard(tmp_path, "one") == ["first", "second"])


async def test_what_was_done_while_no_gateway_ran_is_told_by_the_next(tmp_path: Path, shared: str) -> None:
    async with listening(tmp_path, "one", shared) as one:
        await one.tenant("first", "healthcare")
        await until(lambda: heard(tmp_path, "one") == ["first"])
        await until(lambda: told_all(one))
    database = Database(shared)
    add_tenant(database, "meanwhile", ["healthcare"], actor="script")
    database.close()
    async with listening(tmp_path, "two", shared):
        await until(lambda: heard(tmp_path, "two") == ["meanwhile"])


def told_all(house: House) -> bool:
    """Whether that is noted, too."""
    registry = house.runtime.registry.get()
    return leader.position(registry.database, "listeners") == registry.newest_event()
