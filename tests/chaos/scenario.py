"""A gateway as a process of its own, with its engine as its child, that faults are done to."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from postil.gateway.inference.routing.release import engine_name
from tests.chaos.engine import mark
from tests.fakes.adapters import write_adapter, write_base
from tests.fakes.processes import GUARD, WORKER, runs
from tests.support.paths import ROOT
from tests.support.servers import free_port, publish

ADAPTER = "chaos/rollout"
POLICIES = {number: f"system_prompt: word-{number}\nsampling: {{max_tokens: 64}}\n" for number in (1, 2, 3)}
_STUB = "import sys\nsys.path.insert(0, {root!r})\nfrom tests.chaos.engine import main\nmain(sys.argv[1:])\n"
_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE = 24, 1
_READY_SECONDS = 120
_DEATH_SECONDS = 60


@dataclass
class Gateway:
    """One gateway. ``folder`` holds its home, what its fake engine is to do wrong, and what it says."""

    folder: Path
    url: str
    settings: dict[str, str]
    process: asyncio.subprocess.Process | None = None
    adapters: int = 0
    session: aiohttp.ClientSession = field(default_factory=aiohttp.ClientSession)

    @property
    def home(self) -> Path:
        """Its POSTIL_HOME."""
        return self.folder / "home"

    @property
    def key(self) -> str:
        """Its admin key."""
        return self.key_file.read_text().strip()

    @property
    def key_file(self) -> Path:
        """Where that is kept."""
        return self.home / "admin.key"

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process is not None, "start() comes first"
        return self.process.pid

    def everybody(self) -> list[psutil.Process]:
        """It and all that it started."""
        return [psutil.Process(self.pid), *psutil.Process(self.pid).children(recursive=True)]

    def engine(self) -> psutil.Process:
        """Its engine's process."""
        return next(one for one in self.everybody() if runs(one, "vllm.entrypoints") and not runs(one, GUARD))

    def guard(self) -> psutil.Process:
        """The process between the two."""
        return next(one for one in self.everybody() if runs(one, GUARD))

    def workers(self) -> list[psutil.Process]:
        """The processes that answer in its place, if it has some."""
        return [one for one in self.everybody() if runs(one, WORKER)]

    def tell_engine(self, what: str, value: str | None = "") -> None:
        """Have the engine go wrong in this way, or (None) no longer."""
        file = self.folder / what
        if value is None:
            file.unlink(missing_ok=True)
        else:
            file.write_text(value)

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        environment = {
            **os.environ, "PYTHONPATH": f"{self.folder}:{ROOT}", "POSTIL_HOME": str(self.home),
            "CHAOS_FOLDER": str(self.folder), "POSTIL_PORT": self.url.rpartition(":")[2],
            "POSTIL_ENGINE_ARGS": f"--chaos {self.folder}", **self.settings,
        }  # fmt: skip
        with (self.folder / "said").open("ab") as said:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.chaos.serve",
                env=environment,
                cwd=self.folder,
                stdout=said,
                stderr=said,
                preexec_fn=as_if_not_root,
            )
        await self.until_ready()

    async def until_ready(self) -> None:
        """Wait until it says that it is ready."""
        await until(self.ready, _READY_SECONDS, lambda: (self.folder / "said").read_text()[-3000:])

    async def ready(self) -> bool:
        """Whether it says so."""
        try:
            async with self.session.get(f"{self.url}/health/ready") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    async def restarts(self) -> int:
        """How often its engine was started again."""
        _, status = await self.api("GET", "/api/v1/status")
        return int(status["engine_restarts"])

    async def api(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Ask the admin API."""
        headers = {"Authorization": f"Bearer {self.key}"}
        async with self.session.request(method, self.url + path, json=body, headers=headers) as response:
            return response.status, await response.json(content_type=None)

    async def promote(self, number: int, action: str = "promote") -> tuple[int, Any]:
        """Make a release live."""
        body = {"release": number} if action == "promote" else {"to": number}
        return await self.api("POST", f"/api/v1/adapters/{ADAPTER}/{action}", body)

    async def live(self) -> int:
        """The release that is live, as the registry has it."""
        _, state = await self.api("GET", f"/api/v1/adapters/{ADAPTER}")
        return int(state["live"])

    async def publish(self, policy: str = POLICIES[1]) -> dict[str, Any]:
        """Publish other weights. Raises aiohttp.ClientResponseError if that is refused."""
        self.adapters += 1
        source = self.folder / f"adapter-{self.adapters}"
        if not source.exists():
            write_adapter(source, seed=self.adapters)
        return await publish(self.url, self.key, ADAPTER, source, policy)

    async def settle(self) -> dict[str, str]:
        """Publish the releases, make each live once, the first last; returns what answers of each have to say."""
        made = [await self.publish(POLICIES[number]) for number in POLICIES]
        for number in (2, 3, 1):
            status, said = await self.promote(number)
            assert status == 200, said
        return {row["release"]: f"{mark(engine_name(row['artifact']))} word-{row['number']}" for row in made}

    async def stop(self) -> int:
        """End it as a machine does, and see that nobody is left; returns its exit status."""
        if self.process is None or self.process.returncode is not None:
            return 0
        everybody = self.everybody()
        self.process.send_signal(signal.SIGTERM)
        status = await asyncio.wait_for(self.process.wait(), _DEATH_SECONDS)
        await until(partial(_dead, everybody), _DEATH_SECONDS, lambda: f"left: {_alive(everybody)}")
        return status


@asynccontextmanager
async def gateway(folder: Path, *, key: str | None = None, **settings: str) -> AsyncIterator[Gateway]:
    """A gateway with its own engine, running and ready; ``settings`` are more of POSTIL_*, ``key`` is its admin key."""
    _write_stub(folder / "vllm" / "entrypoints" / "openai")
    given = {"base_model": str(write_base(folder / "base")), "shutdown_delay_seconds": "1", **settings}
    made = Gateway(
        folder, f"http://127.0.0.1:{free_port()}", {f"POSTIL_{name.upper()}": value for name, value in given.items()}
    )
    if key is not None:
        made.home.mkdir()
        made.key_file.touch(0o600)
        made.key_file.write_text(key)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()
        await made.session.close()


def _write_stub(module: Path) -> None:
    """The fake engine under vLLM's name: `python -m` finds first what PYTHONPATH names."""
    module.mkdir(parents=True)
    for package in (module, module.parent, module.parents[1]):
        (package / "__init__.py").touch()
    (module / "api_server.py").write_text(_STUB.format(root=str(ROOT)))


async def until(condition: Callable[[], Awaitable[bool]], seconds: float, why: Callable[[], str]) -> None:
    """Wait for what another process brings about; fail after so many seconds, and say ``why``."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, why()
        await asyncio.sleep(0.02)


def as_if_not_root() -> None:
    """Run by root, what may not be written can be written nevertheless: give that right away. Others never had it."""
    ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, 0, 0, 0)


async def _dead(processes: list[psutil.Process]) -> bool:
    return not _alive(processes)


def _alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
