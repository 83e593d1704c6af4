"""Slow work of one kind holds up no other; whatever is stuck, a key is revoked and the health is told."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest

from postil.gateway.errors import BusyError
from postil.gateway.plugin_host.call import in_time
from postil.gateway.plugin_host.host import PluginHost
from postil.gateway.plugin_host.ports import DidNotRunError
from postil.gateway.threads import SHORT_WORK, Threads
from postil.plugins.manager import PluginManager
from tests.gateway.conftest import House, bearer


@pytest.fixture
async def stuck() -> AsyncIterator[threading.Event]:
    """What is waited for by all that is stuck; set at the end."""
    event = threading.Event()
    yield event
    event.set()


async def test_work_runs_in_a_thread_and_what_it_raises_comes_back() -> None:
    threads = Threads("things", 4)
    assert await threads.run("legal", "ann", threading.current_thread) is not threading.current_thread()
    with pytest.raises(ValueError, match="invalid literal"):
        await threads.run("legal", "ann", int, "x")
    threads.close()


async def test_one_domain_leaves_threads_for_another_and_is_told_that_it_has_too_many(stuck: threading.Event) -> None:
    threads = Threads("things", 4, wait_seconds=0.01)
    held = [asyncio.create_task(threads.run("legal", who, stuck.wait)) for who in ("ann", "bob")]
    await asyncio.sleep(0)
    with pytest.raises(BusyError, match="too many things are under way; try again in a moment"):
        await threads.run("legal", "cleo", int)
    assert await threads.run("healthcare", "dora", int) == 0
    stuck.set()
    await asyncio.gather(*held)
    threads.close()


async def test_who_leaves_keeps_the_place_until_the_thread_has_ended(stuck: threading.Event) -> None:
    threads = Threads("things", 1, wait_seconds=0.01)
    left = asyncio.create_task(threads.run("legal", "ann", stuck.wait))
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    with pytest.raises(BusyError):
        await threads.run("legal", "ann", int)
    threads.close()


async def test_calls_of_one_domain_that_block_past_their_deadline_stop_no_other_domains(
    tmp_path: Path, stuck: threading.Event
) -> None:
    host = PluginHost(PluginManager(()), tmp_path)

    async def call(domain: str, function: Callable[[], object], seconds: float) -> object:
        return await in_time(partial(host.in_thread, domain, function, ()), seconds)

    late = [asyncio.create_task(call("legal", stuck.wait, 0.05)) for _ in range(20)]
    assert {str(error) for error in await asyncio.gather(*late, return_exceptions=True)} == {"took longer than 50 ms"}
    assert await call("healthcare", int, 20) == 0
    with pytest.raises(DidNotRunError):
        await call("legal", int, 0.05)
    stuck.set()
    assert await call("legal", int, 20) == 0, "a slot is given back when its thread has ended"
    await host.stop()


async def test_a_key_is_revoked_while_every_other_thread_is_stuck(house: House, stuck: threading.Event) -> None:
    await house.publish("healthcare/triage")
    key = await house.tenant("clinic", "healthcare")
    listed = (await house.admin("GET", "/api/v1/keys", params={"owner": "clinic"})).json()["data"]
    pools = house.runtime.pools
    held = [asyncio.create_task(asyncio.to_thread(stuck.wait)) for _ in range(2 * SHORT_WORK)]
    held += [
        asyncio.create_task(threads.run(f"domain{number}", "ann", stuck.wait))
        for threads in (pools.downloads, pools.publishing, pools.catalog, pools.reports)
        for number in range(16)
    ]
    held += [
        asyncio.create_task(house.runtime.plugin_host.in_thread(f"domain{number}", stuck.wait, ()))
        for number in range(16)
    ]
    await asyncio.sleep(0)
    assert (await house.client.get("/health/live")).status_code == 200
    began = time.monotonic()
    revoked = await house.admin("DELETE", f"/api/v1/keys/{listed[0]['id']}", params={"reason": "stolen"})
    refused = await house.client.get("/v1/models", headers=bearer(key))
    took = time.monotonic() - began
    assert (revoked.status_code, refused.status_code) == (200, 401)
    assert took < 0.25
    assert (await house.client.get("/health/live")).status_code == 200
    stuck.set()
    await asyncio.gather(*held)
