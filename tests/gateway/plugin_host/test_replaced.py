"""A process that ends, or in which a call is stuck, is replaced; other calls, and other domains, do not suffer."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import uvloop

from postil.gateway.plugin_host.domain_process import DomainProcess
from postil.gateway.plugin_host.ports import DidNotRunError
from postil.gateway.plugin_host.protocol import ComponentSpec
from postil.gateway.plugin_host.spawn import Spawned, spawn
from postil.plugins.manager import PluginManager
from tests.gateway.conftest import until
from tests.gateway.plugin_host.conftest import FOLDER, Ward, alive, ward_of
from tests.support.paths import ROOT

STUCK = [("faulty", "sleep"), ("faulty", "spin"), ("faulty-awaited", "sleep"), ("faulty", "keep the interpreter")]


@pytest.mark.parametrize(("name", "does"), STUCK)
async def test_a_call_that_is_stuck_did_not_run_and_its_process_is_replaced(ward: Ward, name: str, does: str) -> None:
    before = (await ward.judged("tell the process")).reason
    started = time.monotonic()
    assert await ward.judged(does, name=name, seconds=0.2) == "took longer than 200 ms"
    assert time.monotonic() - started < 60  # It would be stuck for an hour.
    await until(lambda: ward.plugin_host.pid("legal") not in (None, int(before)))
    assert (await ward.judged("tell the process")).reason != before
    await until(lambda: not alive(before))


async def test_a_coroutine_that_waits_too_long_is_cancelled_and_nothing_has_to_be_replaced(ward: Ward) -> None:
    before = (await ward.judged("tell the process")).reason
    assert await ward.judged(name="waiting", seconds=0.2) == "took longer than 200 ms"
    assert (await ward.judged(name="spawning")).ok
    assert await ward.judged("nap", seconds=0.2) == "took longer than 200 ms"
    for _ in range(3):
        assert (await ward.judged("nap")).ok
    assert (await ward.judged("tell the process")).reason == before


async def test_a_process_that_is_replaced_lets_its_other_calls_end(ward: Ward) -> None:
    before = (await ward.judged("tell the process")).reason
    slow = asyncio.create_task(ward.judged("sleep for a while"))
    await ward.judged("sleep", seconds=0.1)
    await until(lambda: ward.plugin_host.pid("legal") not in (None, int(before)))
    assert (await slow).ok
    await until(lambda: not alive(before))


async def test_while_one_call_is_stuck_the_others_go_on_without_waiting_for_the_next_process(ward: Ward) -> None:
    before = (await ward.judged("tell the process")).reason
    stuck = asyncio.create_task(ward.judged("sleep", seconds=0.1))
    while (process := ward.plugin_host.pid("legal")) == int(before):
        assert (await ward.judged("pass", seconds=1)).ok
    assert process is not None
    assert (await ward.judged("pass", seconds=1)).ok
    assert "took longer" in await stuck


async def test_a_process_that_cannot_even_hear_gets_no_more_calls(ward: Ward) -> None:
    before = (await ward.judged("tell the process")).reason
    await ward.judged("keep the interpreter", seconds=0.1)
    await until(lambda: ward.plugin_host.pid("legal") != int(before))
    assert ward.plugin_host.pid("legal") is None
    assert (await ward.judged()).ok


@pytest.mark.parametrize("does", ["end the process", "crash", "close everything", "scribble"])
async def test_a_process_that_ends_takes_its_calls_along_and_those_that_come_then_wait_for_the_next(
    ward: Ward, does: str
) -> None:
    before = (await ward.judged("tell the process")).reason
    beside = asyncio.create_task(ward.judged("sleep"))
    await asyncio.sleep(0)
    assert await ward.judged(does) == "was cut off: its process ended"
    assert await beside == "was cut off: its process ended"
    assert (await ward.judged("tell the process")).reason != before
    assert ("Segmentation fault" in ward.log().read_text()) == (does == "crash")


async def test_what_was_ready_in_a_process_that_ended_is_made_ready_in_the_next(ward: Ward) -> None:
    assert (await ward.judged(at_first="print")).ok
    await ward.judged("end the process")
    await until(lambda: ward.log().read_text() == "a word\na word\n")


async def test_a_component_that_ends_the_process_is_not_made_again_unasked(
    ward: Ward, caplog: pytest.LogCaptureFixture
) -> None:
    assert await ward.judged(at_first="end the process") == "was cut off: its process ended"
    assert (await ward.judged()).ok
    assert sum("is started again" in record.message for record in caplog.records) == 1


async def test_another_domain_does_not_notice(ward: Ward) -> None:
    other = (await ward.judged("tell the process", domain="finance")).reason
    faults = asyncio.gather(
        *(ward.judged(does, seconds=1) for does in ("sleep", "spin", "keep the interpreter", "exit", "end the process"))
    )
    while not faults.done():
        assert (await ward.judged("tell the process", domain="finance", seconds=1)).reason == other
    assert all(isinstance(why, str) for why in await faults)


async def test_what_a_plugin_has_started_ends_with_its_process(ward: Ward) -> None:
    child = (await ward.judged("leave a child")).reason
    assert alive(child)
    assert await ward.judged("end the process") == "was cut off: its process ended"
    await until(lambda: not alive(child))


async def test_a_process_that_does_not_stay_up_is_not_started_all_the_time(tmp_path: Path) -> None:
    starts = itertools.count()

    def spawn_in_vain() -> Spawned:
        next(starts)
        spawned = spawn("legal", tmp_path, 1 << 30)
        spawned.process.kill()
        return spawned

    with ThreadPoolExecutor(1) as starter:
        domain = DomainProcess("legal", starter, spawn_in_vain)
        with pytest.raises(DidNotRunError, match="waited for its process for longer than 1000 ms"):
            await domain.call(ComponentSpec("validator", "any", "1", "any", "Any", b""), "judge", b"", 1)
        assert 2 <= next(starts) <= 5
        await domain.stop()


async def test_a_plugin_that_changed_on_disk_is_missed_by_those_alone_who_use_it(tmp_path: Path) -> None:
    (tmp_path / "faults.py").symlink_to(FOLDER / "faults.py")
    other = tmp_path / "other.py"
    source = (
        "from postil.plugins import Validator, Verdict, hookimpl\n"
        "class Other(Validator):\n"
        "    name = 'other'\n"
        "    version = '1'\n"
        "    def judge(self, exchange, completion): return Verdict.passed()\n"
        "@hookimpl\n"
        "def postil_validators(): return [Other]\n"
    )
    other.write_text(source)
    ward = ward_of(tmp_path / "logs", PluginManager(entry_points=False, folder=tmp_path))
    other.write_text("this is no Python any more")
    assert await ward.judged(name="other", domain="legal") == "could not be set up"
    assert (await ward.judged(domain="legal")).ok
    other.write_text(source.replace("'1'", "'number 2'"))
    assert await ward.judged(name="other", domain="finance") == "could not be set up"
    other.write_text(source + "# The same, with a remark.")
    assert (await ward.judged(name="other", domain="healthcare")).ok
    await ward.plugin_host.stop()


async def test_an_installed_distribution_is_found_as_the_gateway_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "faults_of_others-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faults_of_others\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[postil]\nfaults_of_others = faults_of_others\n")
    (tmp_path / "faults_of_others.py").symlink_to(FOLDER / "faults.py")
    monkeypatch.syspath_prepend(tmp_path)
    ward = ward_of(tmp_path / "logs", PluginManager())
    assert (await ward.judged()).ok
    assert (await ward.judged(name="made")).ok
    await ward.plugin_host.stop()


def test_all_of_it_works_in_the_loop_that_serves(tmp_path: Path) -> None:
    async def work() -> list[object]:
        ward = ward_of(tmp_path)
        said = [(await ward.judged()).ok, await ward.judged("sleep", seconds=0.2), await ward.judged("end the process")]
        said.append((await ward.judged()).ok)
        await ward.plugin_host.stop()
        return said

    assert uvloop.run(work()) == [True, "took longer than 200 ms", "was cut off: its process ended", True]


def test_a_process_ends_with_the_gateway_however_that_ends(tmp_path: Path) -> None:
    """Also one whose plugin keeps the interpreter to itself, so that it cannot notice."""
    script = f"""
import asyncio
from pathlib import Path
from tests.gateway.plugin_host.conftest import ward_of

async def main():
    logs = Path({str(tmp_path)!r})
    ward = ward_of(logs)
    print((await ward.judged("tell the process")).reason, flush=True)
    print((await ward.judged("tell the process", domain="finance")).reason, flush=True)
    await ward.judged("keep the interpreter", seconds=3600)

asyncio.run(main())
"""
    root = ROOT
    environment = os.environ | {"PYTHONPATH": str(root)}
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment
    ) as gateway:
        assert gateway.stdout is not None
        processes = [gateway.stdout.readline().strip() for _ in range(2)]
        assert all(alive(process) for process in processes)
        wait_for(lambda: "it is kept" in (tmp_path / "plugins-legal.log").read_text())
        gateway.send_signal(signal.SIGKILL)
    wait_for(lambda: not any(alive(process) for process in processes))


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something holds; fail after ten seconds."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
