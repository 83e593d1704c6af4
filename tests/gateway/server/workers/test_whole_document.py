"""Whatever is sent to whichever route of the document through workers: no 5xx, and nothing told of where it runs."""

from __future__ import annotations

import asyncio

import pytest

from tests.gateway.api.test_whole_document import ask_all
from tests.gateway.conftest import House
from tests.gateway.server.workers.conftest import NAME


@pytest.mark.parametrize("keyed", [True, False], ids=["admin", "no key"])
async def test_no_route_fails_or_tells_where_it_runs_behind_workers(pooled: House, keyed: bool) -> None:
    await pooled.publish(NAME)
    assert await asyncio.to_thread(ask_all, pooled, pooled.admin_key if keyed else None)
