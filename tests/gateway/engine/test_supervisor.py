"""An engine that starts, dies, comes back and is ended: real processes, and nobody left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest

from postil.gateway.engine.client import EngineClient
from postil.gateway.engine.process.child import EngineProcess
from postil.gateway.engine.supervisor import Phase, Supervisor
from postil.gateway.errors import EngineUnavailableError
from tests.gateway.conftest import until
from tests.support.paths import ROOT


class Watched:
    """A supervisor over the fake engine as a child process, with what it told."""

    def __init__(self, folder: Path, behaviour: str = "") -> None:
        self.socket = folder / "run" / "engine.sock"
        self.sick = folder / "run" / "engine.sock.sick"
        self.hang = folder / "run" / "engine.sock.hang"
        self.log = folder / "engine.log"
        self.behaviour = behaviour
        self.told: list[tuple[Phase, str]] = []
        self.warmed = 0
        self.client = EngineClient(f"unix:{self.socket}", timeout_seconds=5)
        self.supervisor = Supervisor(
            self.client,
            self.launch,
            warm=self.warm,
            tell=lambda *told: self.told.append(told),
            start_seconds=30,
            probe=self.probe,
            stall_seconds=0.5,
        )

    def launch(self) -> EngineProcess:
        """A fake engine, not started."""
        command = [sys.executable, "-m", "tests.fakes.engine_process", str(self.socket), self.behaviour]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return EngineProcess(command, environment, self.socket, self.log)

    async def probe(self) -> None:
        """Ask for a token."""
        await self.client.post("/v1/completions", {"model": "base", "prompt": "x"})

    async def warm(self) -> None:
        """Count."""
        self.warmed += 1

    @property
    def everybody(self) -> list[psutil.Process]:
        """The guard, the engine and the engine's helper."""
        assert self.supervisor.process is not None
        assert self.supervisor.process.pid is not None
        guard = psutil.Process(self.supervisor.process.pid)
        helper = psutil.Process(int(Path(f"{self.socket}.pid").read_text()))
        return [guard, *guard.children(), helper]


@asynccontextmanager
async def supervised(folder: Path, behaviour: str = "") -> AsyncIterator[Watched]:
    """A supervised engine that is ready."""
    watched = Watched(folder, behaviour)
    task = asyncio.create_task(watched.supervisor.run())
    try:
        await until(lambda: watched.supervisor.phase is Phase.READY)
        yield watched
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await watched.supervisor.stop()
        await watched.client.close()


async def test_nobody_else_can_reach_the_engines_socket(tmp_path: Path) -> None:
    async with supervised(tmp_path) as watched:
        assert watched.socket.stat().st_mode & 0o777 == 0o600
        assert watched.socket.parent.stat().st_mode & 0o777 == 0o700


def gone(processes: list[psutil.Process]) -> bool:
    """Whether all have ended."""
    return not [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("behaviour", ["", "stubborn"])
async def test_nobody_is_left_after_a_stop(tmp_path: Path, behaviour: str) -> None:
    async with supervised(tmp_path, behaviour) as watched:
        everybody = watched.everybody
        assert len(everybody) == 3
    await until(lambda: gone(everybody))


async def test_a_killed_engine_comes_back_warm_and_leaves_nobody(tmp_path: Path) -> None:
    async with supervised(tmp_path) as watched:
        guard, engine, helper = watched.everybody
        engine.send_signal(signal.SIGKILL)
        await until(lambda: watched.supervisor.restarts == 1 and watched.supervisor.phase is Phase.READY)
        assert gone([guard, engine, helper])
        assert watched.warmed == 2
        assert Phase.DOWN in [phase for phase, _ in watched.told]


async def test_a_killed_guard_takes_the_engine_with_it(tmp_path: Path) -> None:
    async with supervised(tmp_path) as watched:
        guard, engine, helper = watched.everybody
        guard.send_signal(signal.SIGKILL)
        await until(lambda: watched.supervisor.restarts == 1 and watched.supervisor.phase is Phase.READY)
        assert gone([guard, engine])
        helper.kill()  # It left the group by itself; no single fault leaves it.


def test_a_killed_gateway_leaves_nobody(tmp_path: Path) -> None:
    script = (
        "import asyncio, pathlib, sys\n"
        "from tests.gateway.engine.test_supervisor import supervised\n"
        "async def main():\n"
        f"    async with supervised(pathlib.Path({str(tmp_path)!r})) as watched:\n"
        "        print(*[one.pid for one in watched.everybody], flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    gateway = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert gateway.stdout is not None
    everybody = [psutil.Process(int(pid)) for pid in gateway.stdout.readline().split()]
    assert len(everybody) == 3
    gateway.kill()
    gateway.wait()
    gateway.stdout.close()
    psutil.wait_procs(everybody, timeout=30)
    assert gone(everybody)


async def test_an_engine_that_never_comes_up_is_given_up_with_its_last_words(tmp_path: Path) -> None:
    watched = Watched(tmp_path, "dies")
    async with asyncio.timeout(60):
        await watched.supervisor.run()
    await watched.supervisor.stop()
    failed = [reason for phase, reason in watched.told if phase is Phase.FAILED]
    assert "this model cannot be loaded" in failed[0]
    assert watched.warmed == 0
    await watched.client.close()


async def test_an_engine_that_is_not_there_is_unavailable_and_not_a_crash(tmp_path: Path) -> None:
    client = EngineClient(f"unix:{tmp_path / 'none.sock'}", timeout_seconds=1)
    assert await client.healthy() is False
    with pytest.raises(EngineUnavailableError):
        await client.post("/v1/completions", {})
    await client.close()


async def test_the_socket_is_in_a_folder_of_this_user_only(tmp_path: Path) -> None:
    async with supervised(tmp_path) as watched:
        assert watched.socket.parent.stat().st_mode & 0o777 == 0o700


async def test_an_engine_that_calls_itself_sick_is_started_again(tmp_path: Path) -> None:
    async with supervised(tmp_path) as watched:
        watched.sick.touch()
        with pytest.raises(EngineUnavailableError):
            await watched.client.post("/v1/completions", {"model": "base", "prompt": "x"})
        assert watched.supervisor.phase is not Phase.READY
        watched.sick.unlink()
        await until(lambda: watched.supervisor.restarts == 1 and watched.supervisor.phase is Phase.READY)


async def test_nobody_is_sent_to_an_engine_that_listens_no_more_though_it_still_runs(tmp_path: Path) -> None:
    async with supervised(tmp_path) as watched:
        await watched.client.cut()  # No connection from before leads there.
        watched.socket.unlink()
        with pytest.raises(EngineUnavailableError):
            await watched.client.post("/v1/completions", {"model": "base", "prompt": "x"})
        assert watched.supervisor.phase is Phase.DOWN
        await until(lambda: watched.supervisor.restarts == 1 and watched.supervisor.phase is Phase.READY)


async def test_an_engine_that_is_well_and_answers_nobody_is_started_again_at_once(tmp_path: Path) -> None:
    async with supervised(tmp_path) as watched:
        watched.hang.touch()
        with pytest.raises(EngineUnavailableError):
            await watched.client.post("/v1/completions", {"model": "base", "prompt": "x"})
        assert watched.supervisor.phase is Phase.DOWN
        watched.hang.unlink()
        await until(lambda: watched.supervisor.restarts == 1 and watched.supervisor.phase is Phase.READY)
        assert "the engine answers its health check, but no request" in [reason for _, reason in watched.told]


async def test_streams_that_begin_and_say_nothing_do_not_hide_an_engine_that_hangs(tmp_path: Path) -> None:
    async with supervised(tmp_path) as watched:
        watched.hang.touch()
        body = {"model": "base", "prompt": "x", "stream": True}

        async def ask() -> None:
            while watched.supervisor.phase is Phase.READY:
                with suppress(EngineUnavailableError):
                    async with watched.client.stream("/v1/completions", body):
                        await asyncio.sleep(0.1)  # Its client leaves again.

        await asyncio.wait_for(ask(), 20)
        assert watched.supervisor.phase is Phase.DOWN
        watched.hang.unlink()
        await until(lambda: watched.supervisor.phase is Phase.READY)
        assert "the engine answers its health check, but no request" in [reason for _, reason in watched.told]


async def test_an_engine_that_is_ready_and_ends_again_and_again_is_waited_for_longer_each_time(tmp_path: Path) -> None:
    async with supervised(tmp_path) as watched:
        pauses = []
        for count in (1, 2):
            watched.everybody[1].send_signal(signal.SIGKILL)
            await until(lambda: watched.supervisor.phase is Phase.DOWN and watched.told[-1][0] is Phase.DOWN)
            began = asyncio.get_running_loop().time()
            await until(lambda wanted=count: watched.supervisor.restarts == wanted)  # type: ignore[misc]
            pauses.append(asyncio.get_running_loop().time() - began)
            await until(lambda: watched.supervisor.phase is Phase.READY)
        assert pauses[0] >= 0.4
        assert pauses[1] >= 0.9
