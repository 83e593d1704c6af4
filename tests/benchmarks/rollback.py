"""Promote and roll back at random under streaming load: ``python -m tests.benchmarks.rollback``.

What is counted: requests that failed, streams that did not end whole, answers in which weights, prompt and header were
not of one release; and, for each move, when the last request *began* that the old release still answered, counted from
the moment the command was sent.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.progress import track
from rich.table import Table

from postil.gateway.inference.routing.release import engine_name
from tests.fakes.adapters import write_adapter, write_base
from tests.support.servers import free_port, publish, running

CLIENTS, MOVES, PROBES = 64, 200, 2
ADAPTER = "bench/rollout"
POLICIES = {number: f"system_prompt: word-{number}\nsampling: {{max_tokens: 64}}\n" for number in (1, 2, 3)}


@dataclass
class Load:
    """What the clients have seen: when each request began and which release answered, and what went wrong."""

    url: str
    key: str
    marks: dict[str, str] = field(default_factory=dict)
    began: list[tuple[float, str]] = field(default_factory=list)
    whole: int = 0
    problems: list[str] = field(default_factory=list)
    ending: bool = False

    @property
    def request(self) -> dict[str, Any]:
        """One streamed chat completion."""
        body = {"model": ADAPTER, "stream": True, "messages": [{"role": "user", "content": "go"}]}
        url, headers = f"{self.url}/v1/chat/completions", {"Authorization": f"Bearer {self.key}"}
        return {"url": url, "json": body, "headers": headers}

    async def client(self, session: aiohttp.ClientSession) -> None:
        """One stream after another, each read to its end and checked."""
        while not self.ending:
            began = time.perf_counter()
            try:
                async with session.post(**self.request) as response:
                    text = (await response.read()).decode()
                self._check(began, response, text)
            except aiohttp.ClientError as error:
                self.problems.append(repr(error))

    async def probe(self, session: aiohttp.ClientSession) -> None:
        """Only looks which release answers, and leaves."""
        while not self.ending:
            began = time.perf_counter()
            try:
                async with session.post(**self.request) as response:
                    self._saw(began, response)
            except aiohttp.ClientError as error:
                self.problems.append(repr(error))

    def _saw(self, began: float, response: aiohttp.ClientResponse) -> str:
        if response.status != 200:
            self.problems.append(f"status {response.status}")
            return ""
        release = response.headers["x-postil-release"]
        self.began.append((began, release))
        return release

    def _check(self, began: float, response: aiohttp.ClientResponse, text: str) -> None:
        release = self._saw(began, response)
        events = [line.removeprefix("data: ") for line in text.splitlines() if line]
        said = "".join(json.loads(event)["choices"][0]["delta"]["content"] for event in events if event != "[DONE]")
        if release and (not events or events[-1] != "[DONE]"):
            self.problems.append("a stream was cut")
        elif release and said.split()[:2] != self.marks[release].split():
            self.problems.append(f"mixed: {release} said {said[:60]}")
        self.whole += 1


def marks(releases: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """What the echoing engine says of each release: its weights' name, hashed, and its system prompt."""
    return {
        ref: f"{hashlib.sha256(engine_name(row['artifact']).encode()).hexdigest()[:12]} word-{row['number']}"
        for ref, row in releases.items()
    }


async def move(session: aiohttp.ClientSession, load: Load, live: int) -> tuple[float, float, str, int]:
    """One promote or rollback; returns when it was sent and done, which release was live before, and which is now."""
    target = random.choice([number for number in POLICIES if number != live])
    action, body = ("promote", {"release": target}) if random.random() < 0.5 else ("rollback", {"to": target})
    headers = {"Authorization": f"Bearer {load.key}"}
    began = time.perf_counter()
    async with session.post(f"{load.url}/api/v1/adapters/{ADAPTER}/{action}", json=body, headers=headers) as response:
        if response.status == 409 and action == "rollback":  # Never live before: nothing to go back to.
            return await move(session, load, live)
        response.raise_for_status()
    return began, time.perf_counter(), f"{ADAPTER}@{live}", target


async def run(load: Load, clients: int, count: int) -> list[tuple[float, float, str, int]]:
    """All moves under load."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(load.client(session))
        for _ in range(PROBES):
            group.create_task(load.probe(session))
        moves, live = [], 1
        for _ in track(range(count), description="promoting and rolling back", transient=True):
            await asyncio.sleep(random.expovariate(10))
            moves.append(await move(session, load, live))
            live = moves[-1][3]
        await asyncio.sleep(1)
        load.ending = True
    return moves


def overtaken(load: Load, moves: list[tuple[float, float, str, int]]) -> list[float]:
    """Milliseconds, for each move, from the command to the last beginning of a request on the old release."""
    lasts = []
    for at, (sent, _, old, _) in enumerate(moves):
        until = moves[at + 1][0] if at + 1 < len(moves) else float("inf")
        late = [began for began, release in load.began if release == old and sent <= began < until]
        lasts.append(1000 * (max(late) - sent) if late else 0.0)
    return lasts


def show(load: Load, moves: list[tuple[float, float, str, int]], clients: int) -> dict[str, Any]:
    """Print the table; returns the raw numbers."""
    acts, lasts = [1000 * (done - sent) for sent, done, _, _ in moves], overtaken(load, moves)
    title = f"{len(moves)} promotes and rollbacks, {clients} streaming clients"
    table = Table("", "p50", "p99", "most", title=title)
    for name, values in (("the command", acts), ("until the last new request on the old release", lasts)):
        cuts = statistics.quantiles(values, n=100)
        table.add_row(name, *(f"{value:.0f} ms" for value in (cuts[49], cuts[98], max(values))))
    Console().print(table)
    probes = len(load.began) - load.whole
    print(f"{load.whole} streams read to their end, {probes} probes; problems: {len(load.problems)}")
    for problem in load.problems[:5]:
        print("  " + problem)
    return {"command_ms": acts, "last_on_old_ms": lasts, "streams": load.whole, "problems": load.problems}


async def main(clients: int = CLIENTS, count: int = MOVES) -> dict[str, Any]:
    """Bring up an engine that streams a token every 20 ms and a gateway, load, move, show."""
    engine, url = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {
            "POSTIL_HOME": str(folder / "home"),
            "POSTIL_BASE_MODEL": str(write_base(folder / "base")),
            "POSTIL_ENGINE_URL": engine,
            "POSTIL_PORT": url.rpartition(":")[2],
            "POSTIL_AUTO_ROLLBACK": "false",
        }
        server = [sys.executable, "-m", "tests.benchmarks.echo", engine.rpartition(":")[2], "0.02", "20"]
        gateway = [str(Path(sys.executable).parent / "postil"), "serve"]
        async with running(server, f"{engine}/health"), running(gateway, f"{url}/health/ready", **environment):
            load = Load(url, (folder / "home" / "admin.key").read_text().strip())
            releases = {}
            for number, policy in POLICIES.items():
                made = await publish(url, load.key, ADAPTER, write_adapter(folder / str(number), seed=number), policy)
                releases[made["release"]] = made
            load.marks = marks(releases)
            await first(load)
            return show(load, await run(load, clients, count), clients)


async def first(load: Load) -> None:
    """Make every release live once, so that all can be gone back to, and the first at the end."""
    headers = {"Authorization": f"Bearer {load.key}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for number in (2, 3, 1):
            path = f"{load.url}/api/v1/adapters/{ADAPTER}/promote"
            async with session.post(path, json={"release": number}) as response:
                response.raise_for_status()


if __name__ == "__main__":
    asyncio.run(main(*(int(given) for given in sys.argv[1:])))
