"""Where a request's time goes: ``python -m tests.benchmarks.phases [ROUNDS]``.

One label answer and one streamed free answer on the real vLLM, alone and eight at once over four places. What happens
in the gateway is noted at its seams by ``phases_gateway``; what happens in the engine is said by vLLM's own histograms,
read before and after each round. The phases of a round add up to what its clients waited, in the mean.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.benchmarks.lora_engine import write_adapter
from tests.support.paths import ROOT
from tests.support.servers import free_port, prepared, promote, publish, running, vllm

ROUNDS, PLACES, TOKENS = 10, 4, 32
AT_ONCE = (1, 8)
PHASES = (
    "gateway in",
    "queue",
    "engine: prefill",
    "engine: decode",
    "engine: its front end",
    "validators",
    "gateway out",
    "connection",
)
DEMO = ROOT / "deploy" / "demo" / "healthcare" / "triage"
SAMPLING = f"{{max_tokens: {TOKENS}, ignore_eos: true}}"
FREE = f"system_prompt: Answer shortly.\ndefaults: {{temperature: 0}}\nsampling: {SAMPLING}\n"
_SUMS = re.compile(r"^vllm:request_(queue|prefill|decode)_time_seconds_(sum|count)(?:\{[^}]*\})? (\S+)$", re.MULTILINE)
_PATIENCE_SECONDS = 60.0
Raw = dict[str, dict[str, list[float]]]
Told = Mapping[str, float]


@dataclass(frozen=True)
class Asked:
    """One kind of answer: its adapter with its policy, and what is asked."""

    adapter: Path
    policy: str
    texts: Sequence[str]
    more: Mapping[str, Any]


def label_answers(adapter: Path) -> Asked:
    """The demo's labels: constrained, checked before, and judged by two validators."""
    lines = (DEMO / "validation.jsonl").read_text().splitlines()
    return Asked(adapter, (DEMO / "policy.yaml").read_text(), [json.loads(line)["input"] for line in lines], {})


def free_answers(adapter: Path) -> Asked:
    """Free text of a fixed length, streamed, that nobody judges."""
    texts = [f"Question {number}: what is a lattice?" for number in range(40)]
    return Asked(adapter, FREE, texts, {"stream": True})


class Watching:
    """A watched gateway and the engine behind it, asked in rounds."""

    def __init__(self, session: aiohttp.ClientSession, url: str, engine: str) -> None:
        self._session = session
        self._url = url
        self._engine = engine

    async def round(self, model: str, asked: Asked, turn: int, at_once: int) -> dict[str, float]:
        """So many at once; milliseconds of each phase in the mean."""
        before = await self._told()
        texts = [asked.texts[(turn * at_once + number) % len(asked.texts)] for number in range(at_once)]
        seconds = await asyncio.gather(*(self._answer({"model": model, **asked.more}, text) for text in texts))
        engine = await self._since(before, at_once)
        async with self._session.get(f"{self._url}/marks") as response:
            marks: list[dict[str, float]] = await response.json()
        assert len(marks) == at_once, f"{len(marks)} of {at_once} requests came to their end"
        return _put_together(1000 * statistics.mean(seconds), marks, engine)

    async def _answer(self, request: Mapping[str, Any], text: str) -> float:
        began = time.perf_counter()
        body = {**request, "messages": [{"role": "user", "content": text}]}
        async with self._session.post(f"{self._url}/v1/chat/completions", json=body) as response:
            response.raise_for_status()
            await response.read()
        return time.perf_counter() - began

    async def _since(self, before: Told, requests: int) -> Told:
        """Milliseconds of each request in the engine, in the mean, as soon as it has counted all of them."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while (after := await self._told())["count"] < before["count"] + requests:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.02)
        count = after["count"] - before["count"]
        return {name: 1000 * (after[name] - before[name]) / count for name in ("queue", "prefill", "decode")}

    async def _told(self) -> Told:
        async with self._session.get(f"{self._engine}/metrics") as response:
            found = _SUMS.findall(await response.text())
        told = {name: float(value) for name, kind, value in found if kind == "sum"}
        # Before its first request the engine says nothing.
        counts = [float(value) for name, kind, value in found if kind == "count" and name == "decode"]
        return {"queue": 0.0, "prefill": 0.0, "decode": 0.0, "count": sum(counts), **told}


def _put_together(total: float, marks: Sequence[Mapping[str, float]], engine: Told) -> dict[str, float]:
    mean = {name: statistics.mean(one[name] for one in marks) for name in marks[0]}
    prefill = engine["queue"] + engine["prefill"]
    return {
        "gateway in": mean["gateway in"],
        "queue": mean["queue"],
        "engine: prefill": prefill,
        "engine: decode": engine["decode"],
        "engine: its front end": mean["engine"] - prefill - engine["decode"],
        "validators": mean["validators"],
        "gateway out": mean["gateway out"],
        "connection": total - sum(mean.values()),
    }


async def measured(
    engine: str, home: Path, kinds: Mapping[str, Asked], rounds: int = ROUNDS, **environment: str
) -> Raw:
    """All kinds, alone and several at once, on a gateway of our own over an engine at a URL; rounds are interleaved."""
    url = f"http://127.0.0.1:{free_port()}"
    environment |= {
        "POSTIL_HOME": str(home),
        "POSTIL_ENGINE_URL": engine,
        "POSTIL_PORT": url.rpartition(":")[2],
        "POSTIL_MAX_CONCURRENT_REQUESTS": str(PLACES),
        "POSTIL_AUTO_ROLLBACK": "false",
    }
    command = [sys.executable, "-m", "tests.benchmarks.phases_gateway"]
    async with running(command, f"{url}/health/ready", 600, **environment):
        key = (home / "admin.key").read_text().strip()
        models = {kind: f"bench/row{place}" for place, kind in enumerate(kinds)}
        for kind, asked in kinds.items():
            await publish(url, key, models[kind], asked.adapter, asked.policy)
            await promote(url, key, models[kind])
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session:
            return await _rounds(Watching(session, url, engine), kinds, models, rounds)


async def _rounds(watching: Watching, kinds: Mapping[str, Asked], models: Mapping[str, str], rounds: int) -> Raw:
    raw: Raw = {}
    with Progress(transient=True) as progress:
        shown = progress.add_task("where time goes", total=(rounds + 1) * len(kinds) * len(AT_ONCE))
        for turn in range(rounds + 1):
            for kind, asked in kinds.items():
                for at_once in AT_ONCE:
                    found = await watching.round(models[kind], asked, turn, at_once)
                    row = raw.setdefault(f"{kind}, {_clients(at_once)}", {phase: [] for phase in PHASES})
                    for phase in PHASES if turn else ():  # The first turn warms up.
                        row[phase].append(found[phase])
                    progress.advance(shown)
    return raw


def _clients(at_once: int) -> str:
    return "alone" if at_once == 1 else f"{at_once} at once, {PLACES} places"


def show(raw: Raw) -> None:
    """Print the table."""
    table = Table("ms", *raw, title="where a request's time goes, medians")
    for phase in PHASES:
        table.add_row(phase, *(f"{statistics.median(row[phase]):.2f}" for row in raw.values()))
    Console(width=140).print(table)


async def main(rounds: int = ROUNDS) -> Raw:
    """Start vLLM, measure, show; returns the raw numbers."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name) / "home"
        model = await asyncio.to_thread(prepared, home)
        kinds = {
            "label answer": label_answers(DEMO / "2"),
            f"streamed answer of {TOKENS} tokens": free_answers(write_adapter(Path(name) / "free", 0)),
        }
        async with vllm(model, max_model_len=512) as engine:
            raw = await measured(engine, home, kinds, rounds)
    show(raw)
    return raw


if __name__ == "__main__":
    asyncio.run(main(*(int(given) for given in sys.argv[1:])))
