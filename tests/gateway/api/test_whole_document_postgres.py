"""Whatever is sent to whichever route over PostgreSQL, which takes fewer texts and numbers than SQLite: no 5xx."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.fakes.vllm import FakeVLLM
from tests.gateway.api.test_whole_document import ask_all
from tests.gateway.conftest import running_house
from tests.gateway.control.test_change_feed import shared as shared
from tests.registry.conftest import pg_folder as pg_folder
from tests.registry.conftest import postgres as postgres


@pytest.mark.parametrize("keyed", [True, False], ids=["admin", "no key"])
async def test_no_route_fails_or_tells_where_it_runs_over_postgresql(
    tmp_path: Path, shared: str, engine_at: tuple[FakeVLLM, str], keyed: bool
) -> None:
    async with running_house(tmp_path, *engine_at, database_url=shared, artifacts=tmp_path / "artifacts") as house:
        await house.publish("healthcare/triage")
        assert await asyncio.to_thread(ask_all, house, house.admin_key if keyed else None)
