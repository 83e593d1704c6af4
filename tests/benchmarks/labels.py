"""What a label costs in steps of the engine: ``python -m tests.benchmarks.labels [ROUNDS]``.

The demo's triage adapter on the real vLLM, asked directly in three ways: all of the answer generated under its
constraint; begun, and ended by a stop string; and for the one token that tells labels apart, as the gateway asks. The
requests are those that the product makes. Which is generated in fewer steps is clear; this shows what steps are worth.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from postil.gateway.inference import request as payload
from postil.gateway.inference.formats import Kind
from postil.gateway.inference.label_prefill import label_prefix_of
from postil.gateway.inference.request import CompletionRequest
from postil.gateway.inference.routing.release import LoadedRelease, load_release, release_spec
from postil.plugins.manager import PluginManager
from postil.registry.artifacts.local_store import folder_digest
from postil.registry.db.tables import Release
from postil.registry.policy.digest import digest_of
from tests.benchmarks.phases import DEMO
from tests.support.servers import prepared, vllm

ROUNDS, EACH = 6, 3
CLIENTS = (1, 8)
Request = dict[str, Any]
Raw = dict[str, dict[str, dict[str, list[float]]]]


def release() -> LoadedRelease:
    """The demo's, with its policy in force."""
    policy = yaml.safe_load((DEMO / "policy.yaml").read_text())
    made = Release(
        domain="healthcare",
        adapter="triage",
        number=2,
        artifact=folder_digest(DEMO / "2"),
        base_id="",
        base_revision="",
        policy=policy,
        policy_digest=digest_of(policy),
        validators={},
        note="",
        actor="",
    )
    return load_release(release_spec(made), PluginManager())


def ways() -> dict[str, Callable[[Request], Request]]:
    """From the gateway's request to the one of each way."""
    opening = label_prefix_of(release())
    assert opening is not None, "the demo's labels can be begun"
    return {
        "all generated": lambda request: request,
        "begun, stop string": opening.begin,
        "one token": replace(opening, steps=1).begin,
    }


class Asking:
    """The engine, asked by so many clients at a time."""

    def __init__(self, session: aiohttp.ClientSession, served: LoadedRelease, texts: list[str]) -> None:
        self._session = session
        self._served = served
        self._texts = texts

    async def round(self, way: Callable[[Request], Request], clients: int, salt: str) -> list[tuple[float, float]]:
        """Every client asks some texts one after the other; milliseconds and tokens of each answer.

        Another ``salt``, another cache: no way has the use of what another one computed of the same texts.
        """
        texts = iter([self._texts[number % len(self._texts)] for number in range(clients * EACH)])

        async def client() -> list[tuple[float, float]]:
            return [await self._answer({**way(self._request(text)), "cache_salt": salt}) for text in texts]

        return [answer for found in await asyncio.gather(*(client() for _ in range(clients))) for answer in found]

    def _request(self, text: str) -> Request:
        body = {"messages": [{"role": "user", "content": text}]}
        return payload.build_engine_request(
            CompletionRequest(Kind.CHAT, body, None, False, False), self._served, "bench"
        )

    async def _answer(self, request: Request) -> tuple[float, float]:
        began = time.perf_counter()
        async with self._session.post(Kind.CHAT.value, json=request) as response:
            response.raise_for_status()
            answer = await response.json()
        return 1000 * (time.perf_counter() - began), float(answer["usage"]["completion_tokens"])


async def measured(engine: str, adapter: Path, rounds: int = ROUNDS) -> Raw:
    """All ways at one and at several clients, the rounds interleaved; milliseconds and tokens of every answer."""
    served, lines = release(), (DEMO / "validation.jsonl").read_text().splitlines()
    async with aiohttp.ClientSession(engine) as session:
        loaded = {"lora_name": served.engine_name, "lora_path": str(adapter)}
        async with session.post("/v1/load_lora_adapter", json=loaded) as response:
            response.raise_for_status()
        asking = Asking(session, served, [json.loads(line)["input"] for line in lines])
        return await _rounds(asking, rounds)


async def _rounds(asking: Asking, rounds: int) -> Raw:
    raw: Raw = {}
    with Progress(transient=True) as progress:
        shown = progress.add_task("labels", total=(rounds + 1) * len(CLIENTS) * len(ways()))
        for turn in range(rounds + 1):
            for clients in CLIENTS:
                for name, way in ways().items():
                    found = await asking.round(way, clients, f"{name} {clients} {turn}")
                    row = raw.setdefault(_clients(clients), {}).setdefault(name, {"ms": [], "tokens": []})
                    for ms, tokens in found if turn else ():  # The first turn warms up.
                        row["ms"].append(ms)
                        row["tokens"].append(tokens)
                    progress.advance(shown)
    return raw


def _clients(count: int) -> str:
    return "1 client" if count == 1 else f"{count} clients"


def medians(raw: Mapping[str, Mapping[str, Mapping[str, list[float]]]]) -> Iterator[tuple[str, str, float, float]]:
    """Clients, way, tokens generated (each is a step of the engine), and milliseconds of an answer."""
    for clients, found in raw.items():
        for way, row in found.items():
            yield clients, way, statistics.median(row["tokens"]), statistics.median(row["ms"])


def show(raw: Raw) -> None:
    """Print the table."""
    table = Table("clients", "way", "tokens", "p50, ms", title="a label answer of the demo's triage")
    for clients, way, tokens, ms in medians(raw):
        table.add_row(clients, way, f"{tokens:.0f}", f"{ms:.0f}")
    Console().print(table)


async def main(rounds: int = ROUNDS) -> Raw:
    """Start vLLM, measure, show; returns the raw numbers."""
    with tempfile.TemporaryDirectory() as name:
        model = await asyncio.to_thread(prepared, Path(name) / "home")
        async with vllm(model, max_model_len=512) as engine:
            raw = await measured(engine, DEMO / "2", rounds)
    show(raw)
    return raw


if __name__ == "__main__":
    asyncio.run(main(*(int(given) for given in sys.argv[1:])))
