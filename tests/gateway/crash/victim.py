"""A gateway that is killed at a random instant of its work and started again on the same data."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg

from tests.fakes.adapters import write_base
from tests.fakes.vllm import FakeVLLM
from tests.gateway.crash.ledger import Act
from tests.gateway.crash.work import TENANTS, Work
from tests.support.paths import ROOT
from tests.support.plain_http import plain_client
from tests.support.servers import free_port

# In which acts to kill, and when: at any moment, half-way through the upload, or when something of the act is seen on
# the disk (files come in, the store or the database changes) or at the engine.
MOMENTS = {
    "publish": ("any", "upload", "unpacking", "keeping", "commit", "commit"),
    "promote": ("any", "load", "commit", "commit"),
    "rollback": ("any", "commit"),
    "canary": ("any", "load", "commit"),
    "pin": ("any", "commit"),
    "gc": ("any", "unpacking", "keeping", "commit"),
}
_ODDS = {"publish": 6, "promote": 5, "rollback": 2, "canary": 2, "pin": 1, "gc": 2}
_ACTS_BEFORE = 10
_ANY_SECONDS = 0.03
_PATIENCE_SECONDS = 1.0
_START_SECONDS = 60


class Victim:
    """The gateway's process, and the data that outlives it."""

    def __init__(self, folder: Path, engine: FakeVLLM, engine_url: str, seed: int, database_url: str | None) -> None:
        self.home, self.temporary = folder / "home", folder / "tmp"
        self.starts: list[float] = []
        self.struck: Counter[str] = Counter()
        self.keys: dict[str, str] = {}
        self.chance = random.Random(seed)
        self.work = Work(folder / "adapters", self.chance)
        self._engine = engine
        self._log = folder / "serve.log"
        self._nursery: asyncio.subprocess.Process | None = None
        self._gateway: int | None = None
        port = free_port()
        self._url = f"http://127.0.0.1:{port}"
        self.temporary.mkdir()
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("POSTIL_")} | {
            "TMPDIR": str(self.temporary), "POSTIL_HOME": str(self.home),
            "POSTIL_BASE_MODEL": str(write_base(folder / "base")), "POSTIL_ENGINE_URL": engine_url,
            "POSTIL_PORT": str(port),
        }  # fmt: skip
        self._database: psycopg.Connection[Any] | None = None
        if database_url is not None:
            self._environment["POSTIL_DATABASE_URL"] = database_url
            self._database = psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True)

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        began = time.monotonic()
        if self._nursery is None:
            self._nursery = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.gateway.crash.spawner", str(self._log), env=self._environment,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT,
            )  # fmt: skip
        assert self._nursery.stdin is not None
        self._nursery.stdin.write(b"\n")
        self._gateway = await self._heard()
        async with asyncio.timeout(_START_SECONDS), self.client("nobody") as client:
            while not await self._ready(client):  # noqa: ASYNC110 - nobody over there can set an event
                await asyncio.sleep(0.01)
        self.starts.append(time.monotonic() - began)

    async def add_tenants(self) -> None:
        """Who is pinned, and who asks."""
        async with self.admin("setup") as client:
            for name in TENANTS:
                response = await client.post("/api/v1/tenants", json={"name": name, "domains": ["healthcare", "legal"]})
                self.keys[name] = response.json()["key"]

    async def kill_at_work(self) -> None:
        """Have it work without pause, and kill it in the midst of that."""
        kind = self.chance.choices(list(_ODDS), list(_ODDS.values()))[0]
        moment = self.chance.choice(MOMENTS[kind])
        async with self.admin("nobody") as client, asyncio.TaskGroup() as beside:
            with suppress(httpx.TransportError):
                for _ in range(self.chance.randrange(_ACTS_BEFORE)):
                    await self._do(client, self.work.next())
                if moment != "upload":
                    beside.create_task(asyncio.to_thread(self._strike, moment))
                while True:
                    await self._do(client, self.work.next(kind), dying=moment == "upload")
                    await self._do(client, self.work.next())
        assert await self._heard() == -signal.SIGKILL, self._log.read_text()
        self._gateway = None
        self.struck[f"in a {kind}, at: {moment}"] += 1

    async def stop(self) -> None:
        """End it as a person would."""
        if self._gateway is not None:
            with suppress(ProcessLookupError):
                os.kill(self._gateway, signal.SIGINT)
            await self._heard()
        if self._nursery is not None and self._nursery.stdin is not None:
            self._nursery.stdin.close()
            await self._nursery.wait()
        if self._database is not None:
            self._database.close()

    def processes(self) -> list[psutil.Process]:
        """Every process that works for this home."""
        assert self._nursery is not None
        ours = [
            one for one in psutil.process_iter(["environ"])
            if (one.info["environ"] or {}).get("POSTIL_HOME") == str(self.home)
        ]  # fmt: skip
        return [one for one in ours if one.pid != self._nursery.pid]

    def client(self, key: str, **headers: str) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        """A client with a key."""
        headers = {"Authorization": f"Bearer {key}", **headers}
        return plain_client(self._url, timeout=30, headers=headers)

    def admin(self, by: str) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        """A client with the admin's key, who says that he is ``by``."""
        return self.client((self.home / "admin.key").read_text().strip(), **{"x-postil-actor": by})

    async def _ready(self, client: httpx.AsyncClient) -> bool:
        assert self._gateway is not None
        assert psutil.pid_exists(self._gateway), self._log.read_text()
        try:
            return (await client.get("/health/ready")).status_code == 200
        except httpx.TransportError:
            return False

    async def _do(self, client: httpx.AsyncClient, act: Act, *, dying: bool = False) -> None:
        request = client.build_request(act.method, act.path, headers={"x-postil-actor": act.by}, **act.arguments)
        if dying:
            body = self._broken_off(await request.aread())
            request = client.build_request(act.method, act.path, content=body, headers=request.headers)
        response = await client.send(request)
        act.answer, act.status = response.json(), response.status_code
        assert act.status < 500, act.answer

    async def _broken_off(self, body: bytes) -> AsyncIterator[bytes]:
        """A part of a body, then the kill, then the rest, which nobody reads."""
        half = self.chance.randrange(1, len(body))
        yield body[:half]
        await asyncio.sleep(self.chance.uniform(0, 0.01))
        self._kill()
        yield body[half:]

    def _strike(self, moment: str) -> None:
        """Wait for the moment, and often a little longer."""
        if moment == "any":
            time.sleep(self.chance.uniform(0, _ANY_SECONDS))
        else:
            sign = self._signs()[moment]
            before, deadline = sign(), time.monotonic() + _PATIENCE_SECONDS
            # Some signs are there for a fraction of a millisecond: so look all the time.
            while sign() == before and time.monotonic() < deadline:
                time.sleep(0.00005)
            time.sleep(self.chance.choice([0.0, self.chance.uniform(0, 0.005)]))
        self._kill()

    def _signs(self) -> dict[str, Callable[[], object]]:
        """What is another value once a moment has come."""
        artifacts = self.home / "artifacts"
        return {
            "unpacking": lambda: sorted(path.name for path in (artifacts / "incoming").iterdir()),
            "keeping": lambda: (artifacts / "sha256").stat().st_mtime_ns,
            "commit": self._written,
            "load": lambda: self._engine.loads,
        }

    def _written(self) -> object:
        """Changes as something is written into the SQLite database, or when an event is there in the PostgreSQL one."""
        log = self.home / "postil.db-wal"
        if self._database is None:
            return log.stat().st_mtime_ns if log.exists() else None
        return self._database.execute("SELECT max(sequence) FROM event").fetchone()

    def _kill(self) -> None:
        assert self._gateway is not None
        os.kill(self._gateway, signal.SIGKILL)

    async def _heard(self) -> int:
        """The next number that the nursery says."""
        assert self._nursery is not None
        assert self._nursery.stdout is not None
        return int(await self._nursery.stdout.readline())
