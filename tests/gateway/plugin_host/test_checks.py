"""Built-in checks of long texts: in processes of their own, which are killed at the deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from postil.gateway.plugin_host.host import MOST_CHARACTERS, PluginHost, ProcessBounds
from postil.gateway.plugin_host.ports import DidNotRunError
from postil.plugins import Completion, ReleaseRef, RequestContext, Validator, Verdict
from postil.plugins.builtin.blocklist import Blocklist
from postil.plugins.builtin.emergency import Emergency
from postil.plugins.builtin.json_schema import JsonSchema
from postil.plugins.builtin.pii import Pii
from postil.plugins.manager import PluginManager
from tests.gateway.conftest import until
from tests.gateway.plugin_host.conftest import alive

# At each place of it a match begins that is longer than the window, for each of the patterns.
SLOW = ("a" * 4095 + "b") * 12
PATTERNS = {"patterns": ["a[^b]*b[^b]*b"] * 100, "window": 4096}


def context(text: str = "", tenant: str = "firm") -> RequestContext:
    """What a tenant asks."""
    messages = [{"role": "user", "content": text}]
    return RequestContext(ReleaseRef("legal", "notes", 1), tenant, {"messages": messages})


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[PluginHost]:
    """Processes for checks, two at most."""
    host = PluginHost(PluginManager(entry_points=False), tmp_path, ProcessBounds(check_processes=2))
    yield host
    await host.stop()


async def judged(
    host: PluginHost, validator: Validator, text: str, seconds: float = 20.0, domain: str = "legal"
) -> Any:
    """The verdict, or why there is none."""
    try:
        verdict = await host.check(domain, validator, "judge", (context(), Completion(text)), seconds)
        return replace(verdict, spans=tuple(verdict.spans))
    except DidNotRunError as error:
        return str(error)


async def test_a_verdict_is_the_same_as_in_the_gateway(host: PluginHost) -> None:
    pii: Pii = Pii.from_mapping({})
    text = "write to ann@example.org"
    assert await judged(host, pii, text) == pii.judge(context(), Completion(text))
    emergency: Emergency = Emergency.from_mapping({})
    asked = context("I have chest pain")
    found = await host.check("legal", emergency, "check", (asked,), 20.0)
    assert (found.review, found.notice) == ("emergency wording (chest pain)", emergency.check(asked).notice)
    assert len(host.check_pids) == 1


async def test_one_that_takes_too_long_is_killed_and_the_next_is_judged(host: PluginHost) -> None:
    heavy: Blocklist = Blocklist.from_mapping(PATTERNS)
    assert await judged(host, heavy, "nothing") == Verdict.passed()
    (process,) = host.check_pids
    assert await judged(host, heavy, SLOW, seconds=0.2) == "took longer than 200 ms"
    await until(lambda: not alive(process))
    assert await judged(host, heavy, "nothing") == Verdict.passed()


async def test_the_slow_text_of_one_domain_holds_up_no_other(host: PluginHost) -> None:
    heavy: Blocklist = Blocklist.from_mapping(PATTERNS)
    await judged(host, heavy, "nothing", domain="healthcare")
    slow = [asyncio.create_task(judged(host, heavy, SLOW, seconds=5)) for _ in range(8)]
    await asyncio.sleep(0)
    assert await judged(host, heavy, "nothing", domain="healthcare", seconds=4) == Verdict.passed()
    assert not all(task.done() for task in slow)
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)


async def test_the_loop_goes_on_while_a_slow_text_is_judged(host: PluginHost) -> None:
    heavy: Blocklist = Blocklist.from_mapping(PATTERNS)
    await judged(host, heavy, "nothing")
    slow = asyncio.create_task(judged(host, heavy, SLOW, seconds=1))
    longest, before = 0.0, time.thread_time()
    while not slow.done():
        await asyncio.sleep(0.001)
        longest, before = max(longest, time.thread_time() - before), time.thread_time()
    assert longest < 0.05


async def test_a_check_that_eats_the_memory_did_not_run(tmp_path: Path) -> None:
    host = PluginHost(PluginManager(entry_points=False), tmp_path, ProcessBounds(check_bytes=96 << 20))
    emergency: Emergency = Emergency.from_mapping({"whole_conversation": True})
    try:
        with pytest.raises(DidNotRunError, match=r"raised MemoryError|its process ended|could not be set up"):
            await host.check("legal", emergency, "check", (context("\ufdfa" * 1_000_000),), 20.0)
    finally:
        await host.stop()


async def test_more_text_than_any_model_reads_is_sent_to_no_process(host: PluginHost) -> None:
    schema: JsonSchema = JsonSchema.from_mapping({"json_schema": {}})
    assert (
        await judged(host, schema, "a" * (MOST_CHARACTERS + 1)) == f"was given more than {MOST_CHARACTERS} characters"
    )
    many = RequestContext(ReleaseRef("legal", "notes", 1), "firm", {"messages": [""] * MOST_CHARACTERS})
    with pytest.raises(DidNotRunError, match="was given more than"):
        await host.check("legal", Emergency.from_mapping({}), "check", (many,), 20.0)
    assert host.check_pids == []


async def test_a_client_that_leaves_frees_no_place_before_the_work_has_ended(host: PluginHost) -> None:
    heavy: Blocklist = Blocklist.from_mapping(PATTERNS)
    left = asyncio.create_task(judged(host, heavy, SLOW, seconds=0.5))
    await until(lambda: host.check_pids != [])
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    assert await judged(host, heavy, "nothing", seconds=0.01) == "waited for its turn longer than 10 ms"


async def test_a_process_ends_once_it_has_had_nothing_to_do_for_a_minute_and_none_that_was_used_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = PluginHost(PluginManager(entry_points=False), tmp_path, ProcessBounds(check_processes=4))
    loop, ahead = asyncio.get_running_loop(), 0.0
    usual = loop.time
    monkeypatch.setattr(loop, "time", lambda: usual() + ahead)
    pii: Pii = Pii.from_mapping({})

    async def used(domains: int) -> list[int]:
        """The processes once this many domains had a check at the same time; what is due by then is done."""
        checks = [judged(host, pii, "nothing", domain=f"domain-{number}") for number in range(domains)]
        assert await asyncio.gather(*checks) == [Verdict.passed()] * domains
        return sorted(host.check_pids)

    try:
        three = await used(3)
        ahead += 50
        assert await used(3) == three
        ahead += 50
        assert await used(2) == three
        ahead += 50
        await until(lambda: len(host.check_pids) == 2)
        assert set(await used(2)) < set(three)
        ahead += 1000
        await until(lambda: len(host.check_pids) == 1)
        assert await used(1) == host.check_pids
    finally:
        await host.stop()


async def test_a_check_in_code_is_called_in_a_thread(host: PluginHost) -> None:
    class Own(Validator):
        name = "own"
        blocking = True

        def judge(self, context: RequestContext, completion: Completion) -> Verdict:
            return Verdict.failed("never")

    assert await judged(host, Own(None), "a") == Verdict.failed("never")


async def test_nothing_is_begun_once_the_gateway_stops(host: PluginHost) -> None:
    await host.stop()
    assert await judged(host, Pii.from_mapping({}), "a") == "was not begun: the gateway is stopping"


async def test_what_is_in_progress_at_the_end_did_not_run(host: PluginHost) -> None:
    heavy: Blocklist = Blocklist.from_mapping(PATTERNS)
    await judged(host, heavy, "nothing")
    process = psutil.Process(*host.check_pids)
    before = process.cpu_times().user
    slow = asyncio.create_task(judged(host, heavy, SLOW))
    late = asyncio.create_task(judged(host, heavy, SLOW))
    await until(lambda: process.cpu_times().user > before + 0.2)
    await host.stop()
    assert await slow == "was cut off: its process ended"
    assert await late == "was not begun: the gateway is stopping"


async def test_a_process_that_cannot_be_started_is_a_check_that_did_not_run(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("no folder")
    host = PluginHost(PluginManager(entry_points=False), tmp_path / "logs")
    assert "it cannot be started" in await judged(host, Pii.from_mapping({}), "a")
    await host.stop()
