"""The run: three honest tenants, in turns alone and beside one tenant and one publisher who attack without a pause."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.chaos.hostile import fields, grammars, publisher, texts, wire
from tests.chaos.hostile.attacker import Attack, Attacker
from tests.chaos.hostile.honest import Honest, percentile, seconds
from tests.chaos.verdict import Row

ATTACKS: Sequence[Attack] = [
    *grammars.GRAMMARS, *grammars.SEQUENCES, *fields.ATTACKS, *texts.ATTACKS, *wire.ATTACKS, *publisher.ATTACKS
]  # fmt: skip
MODELS = ("healthcare/triage", "legal/clause", "finance/intent")
DOMAIN = "malice"
# What is promised; CONTRIBUTING's figures: see SECURITY.md.
MOST_SLOWER = 2.0
HEALTH_SECONDS = 1.0
REVOKED_SECONDS = 0.25
_ATTACKS_AT_ONCE = 4
_HEALTH_EVERY = 0.2
_SETTLE_SECONDS = 3.0


@dataclass
class Scene:
    """A running gateway with its real engine, and the keys of everybody in the scene."""

    url: str
    admin_key: str
    session: aiohttp.ClientSession
    honest: list[Honest] = field(default_factory=list)
    health: list[tuple[float, float]] = field(default_factory=list)
    ending: bool = False

    async def api(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the admin API. Raises aiohttp.ClientResponseError."""
        headers = {"Authorization": f"Bearer {self.admin_key}"}
        async with self.session.request(method, self.url + path, json=body, headers=headers) as response:
            assert response.status < 300, f"{path}: {response.status} {await response.text()}"
            return await response.json(content_type=None)

    async def watch_health(self) -> None:
        """Ask for health all the time, and note how long that took."""
        while not self.ending:
            began = time.monotonic()
            async with self.session.get(f"{self.url}/health/live") as response:
                assert response.status == 200, f"health says {response.status}"
            self.health.append((began, time.monotonic() - began))
            await asyncio.sleep(_HEALTH_EVERY)

    async def state(self) -> tuple[int, dict[str, int]]:
        """How often the engine was started again, and which release of each adapter is live."""
        status = await self.api("GET", "/api/v1/status")
        live = {name: (await self.api("GET", f"/api/v1/adapters/{name}"))["live"] for name in MODELS}
        return int(status["engine_restarts"]), live


async def hostile(url: str, admin_key: str, length: float, *, short: bool = False, seed: int = 7) -> Row:
    """Attack for ``length`` seconds in all, in turns with as long without. Every attack is made at least once.

    A ``short`` run is a quarter as long without, and holds the usual times against what is promised, not the longest.
    """
    row = Row(f"hostile, {length:.0f} s", len(ATTACKS))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        scene = Scene(url, admin_key, session)
        attacker = await _prepare(scene)
        before = await scene.state()
        async with _everybody(scene, session):
            windows = await _in_turns(scene, attacker, length, length / (4 if short else 1), random.Random(seed))
        _judge(row, scene, attacker, windows)
        _judge_usual(row)
        if not short:
            _judge_longest(row)
        after = await scene.state()
        row.check(after[0] == before[0], f"the engine was started again {after[0] - before[0]} times")
        row.check(after[1] == before[1], f"releases that are live changed: {before[1]} became {after[1]}")
    return row


async def _prepare(scene: Scene) -> Attacker:
    """Three tenants, one attacker who may ask the same releases, and a publisher with a domain of its own."""
    for number, model in enumerate(MODELS):
        name = f"honest-{number}-{time.time_ns()}"
        made = await scene.api("POST", "/api/v1/tenants", {"name": name, "domains": [model.partition("/")[0]]})
        scene.honest.append(Honest(scene.url, made["key"], model))
    domains = [model.partition("/")[0] for model in MODELS]
    bad = await scene.api("POST", "/api/v1/tenants", {"name": f"mallory-{time.time_ns()}", "domains": domains})
    key = {"owner": f"mallory-publishes-{time.time_ns()}", "role": "publisher", "domains": [DOMAIN]}
    publisher_key = (await scene.api("POST", "/api/v1/keys", key))["key"]
    return Attacker(scene.url, bad["key"], publisher_key, DOMAIN, scene.session)


@asynccontextmanager
async def _everybody(scene: Scene, session: aiohttp.ClientSession) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        for one in scene.honest:
            group.create_task(one.ask_on(session))
        group.create_task(scene.watch_health())
        try:
            yield
        finally:
            scene.ending = True
            for one in scene.honest:
                one.ending = True


@dataclass
class Windows:
    """When it was quiet, when it was not, and how long a revoked key was good for."""

    quiet: list[tuple[float, float]] = field(default_factory=list)
    loud: list[tuple[float, float]] = field(default_factory=list)
    revoked: list[float] = field(default_factory=list)


async def _in_turns(scene: Scene, attacker: Attacker, loud: float, quiet: float, chance: random.Random) -> Windows:
    windows, left = Windows(), _order(chance)
    turns = max(2, round(loud / 60))
    for _ in range(turns):
        began = time.monotonic()
        await asyncio.sleep(quiet / turns)
        windows.quiet.append((began, time.monotonic()))
        began = time.monotonic()
        await _attack(attacker, left, until=began + loud / turns)
        windows.loud.append((began, time.monotonic()))
        windows.revoked.append(await _revoke(scene))
        # What was let in has to end before the next quiet time is one.
        await asyncio.sleep(_SETTLE_SECONDS)
    await _attack(attacker, left, until=None)
    return windows


def _order(chance: random.Random) -> list[Attack]:
    """All attacks at random, several times over; the last are made first."""
    rounds: list[Attack] = []
    for _ in range(20):
        once = list(ATTACKS)
        chance.shuffle(once)
        rounds += once
    return rounds


async def _attack(attacker: Attacker, left: list[Attack], *, until: float | None) -> None:
    """Several at once until then; with no ``until``, those that were not made yet."""

    async def one_after_another() -> None:
        while left and (until is None or time.monotonic() < until):
            attack = left.pop()
            if until is not None or attack.name not in attacker.answers:
                attacker.note(attack.name, await attack.run(attacker))

    await asyncio.gather(*(one_after_another() for _ in range(_ATTACKS_AT_ONCE)))


async def _revoke(scene: Scene) -> float:
    """How many seconds a key is good for after it was revoked."""
    name = f"leaked-{time.time_ns()}"
    made = await scene.api("POST", "/api/v1/tenants", {"name": name, "domains": ["healthcare"]})
    headers = {"Authorization": f"Bearer {made['key']}"}
    key = made["keys"][0]["id"]
    await scene.api("DELETE", f"/api/v1/keys/{key}?reason=leaked")
    began = time.monotonic()
    while True:
        async with scene.session.get(f"{scene.url}/v1/models", headers=headers) as response:
            if response.status == 401:
                return time.monotonic() - began
        assert time.monotonic() - began < 60, "a revoked key is never refused"


def _judge(row: Row, scene: Scene, attacker: Attacker, windows: Windows) -> None:
    everything = [one for tenant in scene.honest for one in tenant.seen]
    row.sent += len(everything) + sum(counted.total() for counted in attacker.answers.values())
    for problem in (one.problem for one in everything if one.problem):
        row.keep(False, problem)
    for fault in attacker.faults:
        row.check(False, fault)
    missing = [attack.name for attack in ATTACKS if attack.name not in attacker.answers]
    row.check(not missing, f"never made: {', '.join(missing)}")
    quiet, loud = seconds(everything, windows.quiet), seconds(everything, windows.loud)
    row.check(len(loud) >= 30 and len(quiet) >= 30, f"too few honest answers: {len(quiet)} and {len(loud)}")
    row.notes |= {
        "attacks": len(ATTACKS),
        "attacks made": sum(counted.total() for counted in attacker.answers.values()),
        "answers": {name: dict(counted) for name, counted in sorted(attacker.answers.items())},
        "honest answers": [len(quiet), len(loud)],
        "p50 s": [round(percentile(quiet, 0.5), 3), round(percentile(loud, 0.5), 3)],
        "p99 s": [round(percentile(quiet, 0.99), 3), round(percentile(loud, 0.99), 3)],
        "p99 ratio": round(percentile(loud, 0.99) / max(percentile(quiet, 0.99), 1e-9), 2),
        "median health s": round(statistics.median(took for _, took in scene.health), 3),
        "slowest health s": round(max(took for _, took in scene.health), 3),
        "revoked key good for ms": [round(took * 1000) for took in windows.revoked],
    }


def _judge_usual(row: Row) -> None:
    """Hold the usual times against what is promised of the longest: a machine that stands still fails no short run."""
    quiet, loud = row.notes["p50 s"]
    row.check(loud <= MOST_SLOWER * quiet, f"the median of honest answers rose from {quiet} s to {loud} s")
    row.check(row.notes["median health s"] < HEALTH_SECONDS, f"health took {row.notes['median health s']} s")
    shortest = min(row.notes["revoked key good for ms"])
    row.check(shortest <= REVOKED_SECONDS * 1000, f"a revoked key was good for {shortest} ms")


def _judge_longest(row: Row) -> None:
    """Hold the longest times against what is promised."""
    slower, slowest = row.notes["p99 ratio"], row.notes["slowest health s"]
    row.check(slower <= MOST_SLOWER, f"the 99th percentile of honest answers is {slower} times that without attacks")
    row.check(slowest < HEALTH_SECONDS, f"health took {slowest} s")
    longest = max(row.notes["revoked key good for ms"])
    row.check(longest <= REVOKED_SECONDS * 1000, f"a revoked key was good for {longest} ms")
