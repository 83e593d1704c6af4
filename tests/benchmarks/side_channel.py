"""What the time of an answer says of others' prompts: ``python -m tests.benchmarks.side_channel [ROUNDS]``.

vLLM keeps what it computed for a prompt's beginning and uses it for whoever sends the same: a prompt that somebody has
asked before answers sooner. So who guesses can learn what another asked. Through the gateway, tenants and releases have
caches of their own. The table compares guesses that are right with guesses that are wrong, on both ways, in turns.
"""

from __future__ import annotations

import re
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from tests.engine.conftest import Served, start
from tests.support.past_the_gateway import engine_client

_COUNTER = re.compile(r"^vllm:prefix_cache_(queries|hits)_total\{[^}]*\} (\S+)$", re.MULTILINE)
_WORDS = 500
ROUNDS = 10
_PATIENCE_SECONDS = 60.0
Ask = Callable[[str], httpx.Response]
Raw = dict[str, dict[str, list[dict[str, float]]]]


@dataclass(frozen=True, slots=True)
class Cached:
    """What the engine counted for one request: tokens looked up in its prefix cache, tokens found, and the seconds."""

    looked_up: int
    found: int
    seconds: float


def secret() -> str:
    """A long prompt that nobody has asked before, from its first word on."""
    return " ".join([uuid.uuid4().hex, *(f"word{number}" for number in range(_WORDS // 4))])


def engine_of(served: Served) -> httpx.Client:
    """A client of the vLLM behind a gateway, past the gateway."""
    return engine_client(served.everybody())


def plainly(engine: httpx.Client) -> Ask:
    """Ask vLLM as it comes, without a salt."""
    return lambda text: engine.post("/v1/chat/completions", json=body(text, "base"))


def body(text: str, model: str, **more: Any) -> dict[str, Any]:
    """A chat of one message, answered by one token."""
    return {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 1, **more}


def measured(engine: httpx.Client, ask: Ask, text: str) -> Cached:
    """Ask, while nobody else does, and read what the engine counted."""
    before, began = _counters(engine), time.perf_counter()
    response = ask(text)
    seconds = time.perf_counter() - began
    assert response.status_code == 200, response.text
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (after := _counters(engine))["queries"] == before["queries"]:
        assert time.monotonic() < deadline, "the engine did not count the request"
    return Cached(int(after["queries"] - before["queries"]), int(after["hits"] - before["hits"]), seconds)


def _counters(engine: httpx.Client) -> dict[str, float]:
    found = {name: float(value) for name, value in _COUNTER.findall(engine.get("/metrics").text)}
    assert set(found) == {"queries", "hits"}, "vLLM names its counters otherwise"
    return found


def compare(engine: httpx.Client, ways: Mapping[str, tuple[Ask, Ask]], rounds: int) -> Raw:
    """Guesses of a prompt that somebody has just asked, and of one that nobody has; a way is who asks and who guesses.

    Ways and guesses are interleaved, because machines drift.
    """
    raw: Raw = {way: {"right": [], "wrong": []} for way in ways}
    for turn in range(rounds + 1):
        for way, (asker, guesser) in ways.items():
            text = secret()
            measured(engine, asker, text)
            for guess, guessed in (("right", text), ("wrong", secret())):
                made = asdict(measured(engine, guesser, guessed))
                raw[way][guess] += [made] if turn else []  # The first turn warms up.
    return raw


def tenant(served: Served, name: str) -> Ask:
    """A new tenant of the demo's domain, asking through the gateway."""
    key = served.postil_json("tenants", "add", name, "--domain", "healthcare")["key"]
    client = served.client(key)
    return lambda text: client.post("/v1/chat/completions", json=body(text, "base"))


def main(rounds: int = ROUNDS) -> Raw:
    """Measure on a gateway of our own with the real vLLM, and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        served = start(Path(folder) / "home")
        try:
            with engine_of(served) as engine:
                plain = plainly(engine)
                ours = tenant(served, "asks"), tenant(served, "guesses")
                raw = compare(engine, {"vLLM alone": (plain, plain), "through postil": ours}, rounds)
        finally:
            served.stop()
    show(raw)
    return raw


def show(raw: Raw) -> None:
    """Print the table."""
    table = Table("", "guess", "p50 ms", "min ms", "max ms", "tokens", "of them cached", box=None)
    for row, kinds in raw.items():
        for kind, made in kinds.items():
            times = [1000 * one["seconds"] for one in made]
            figures = (statistics.median(times), min(times), max(times))
            cached = statistics.mean(one["found"] for one in made)
            table.add_row(row, kind, *(f"{ms:.0f}" for ms in figures), f"{made[0]['looked_up']:.0f}", f"{cached:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main(*(int(given) for given in sys.argv[1:]))
