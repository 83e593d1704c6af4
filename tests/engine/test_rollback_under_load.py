"""Promote and roll back while clients stream: nothing fails, nothing is mixed, and how long it took."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from tests.engine.conftest import Served
from tests.support.paths import ROOT

pytestmark = pytest.mark.engine

CLIENTS = 16
# Often enough to see a change, seldom enough not to be the load itself: each probe is a prefill that is cancelled.
PROBE_SECONDS = 0.05
MOVES = 6
WORDS = {1: "alpha", 2: "beta"}
SOURCES = {1: "healthcare/triage/1", 2: "healthcare/triage/2"}


@dataclass
class Seen:
    """One streamed answer: when it was asked for, which release the header named, and what was said."""

    began: float
    release: str
    text: str
    done: bool


@dataclass
class Load:
    """Clients that stream one answer after another until told to end."""

    url: str
    key: str
    model: str
    seen: list[Seen] = field(default_factory=list)
    probed: list[tuple[float, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """One client."""
        headers = {"Authorization": f"Bearer {self.key}"}
        with httpx.Client(base_url=self.url, headers=headers, timeout=300) as client:
            while not self.ending.is_set():
                try:
                    self.seen.append(self._one(client))
                except Exception as error:
                    self.problems.append(repr(error))
                    return

    def probe(self) -> None:
        """One that only looks which release answers, and leaves: new requests at a steady pace."""
        headers = {"Authorization": f"Bearer {self.key}"}
        body = {"model": self.model, "stream": True, "messages": [{"role": "user", "content": "go"}]}
        with httpx.Client(base_url=self.url, headers=headers, timeout=300) as client:
            while not self.ending.wait(PROBE_SECONDS):
                began = time.monotonic()
                try:
                    with client.stream("POST", "/v1/chat/completions", json=body) as response:
                        raise_with_body(response)
                        self.probed.append((began, response.headers["x-postil-release"]))
                except Exception as error:
                    self.problems.append(repr(error))
                    return

    def _one(self, client: httpx.Client) -> Seen:
        began = time.monotonic()
        body = {"model": self.model, "stream": True, "messages": [{"role": "user", "content": "go"}]}
        with client.stream("POST", "/v1/chat/completions", json=body) as response:
            raise_with_body(response)
            events = [line.removeprefix("data: ") for line in response.iter_lines() if line]
        chunks = [json.loads(event) for event in events if event != "[DONE]"]
        text = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
        return Seen(began, response.headers["x-postil-release"], text, events[-1] == "[DONE]")


def raise_with_body(response: httpx.Response) -> None:
    """Raise for an error, with what it says: the status alone does not tell one 503 from another."""
    if response.is_error:
        raise AssertionError(f"{response.status_code} {response.read().decode(errors='replace')}")


def policy(folder: Path, word: str) -> Path:
    """A policy under which every answer says which release it is of, in a stream of some twenty tokens."""
    path = folder / f"{word}.yaml"
    said = " ".join([word] * 12)
    path.write_text(f"sampling: {{max_tokens: 200, temperature: 0}}\noutput: {{labels: ['{said}'], field: says}}\n")
    return path


def wait_for(load: Load, count: int, log: Path) -> None:
    """Wait until that many more answers are in; what is wrong is told with the gateway's own words."""
    target = len(load.seen) + count
    deadline = time.monotonic() + 300
    while len(load.seen) < target and not load.problems and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not load.problems, f"{load.problems}\n{log.read_text()[-4000:]}"
    assert len(load.seen) >= target, f"{len(load.seen)} answers of {target} after 300 s"


def test_a_rollback_under_load_drops_nothing_and_mixes_nothing(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = "rollout/live"
    for number, source in SOURCES.items():
        made = served.postil_json(
            "publish",
            str(ROOT / "deploy" / "demo" / source),
            "--adapter",
            adapter,
            "--policy",
            str(policy(tmp_path, WORDS[number])),
            "--note",
            WORDS[number],
        )
        assert made["number"] == number
    served.postil_json("promote", f"{adapter}@1")
    key = served.postil_json("tenants", "add", "rollout-client", "--domain", "rollout")["key"]
    served.postil("tenants", "limit", "rollout-client", "--concurrent", "1000")
    load = Load(served.url, key, adapter)
    clients = [threading.Thread(target=load.run) for _ in range(CLIENTS)]
    clients.append(threading.Thread(target=load.probe))
    for client in clients:
        client.start()
    moves: list[tuple[float, float, str]] = []
    admin = {"Authorization": f"Bearer {(served.home / 'admin.key').read_text().strip()}"}
    try:
        with httpx.Client(base_url=served.url, headers=admin, timeout=60) as api:
            for move in range(MOVES):
                wait_for(load, CLIENTS, served.log)
                action, body = ("promote", {"release": 2}) if move % 2 == 0 else ("rollback", {"reason": "worse"})
                began = time.monotonic()
                api.post(f"/api/v1/adapters/{adapter}/{action}", json=body).raise_for_status()
                moves.append((began, time.monotonic(), f"{adapter}@{1 if move % 2 == 0 else 2}"))
        wait_for(load, CLIENTS, served.log)
    finally:
        # Failed or not: the tests after this one want the gateway to themselves.
        load.ending.set()
        for client in clients:
            client.join(timeout=300)
    served.postil("tenants", "remove", "rollout-client")

    assert not load.problems
    assert {release for _, release in load.probed} <= {f"{adapter}@1", f"{adapter}@2"}
    for seen in load.seen:
        word = WORDS[int(seen.release.rpartition("@")[2])]
        assert seen.done
        assert json.loads(seen.text) == {"says": " ".join([word] * 12)}
    by_itself = taken_back(served, adapter)
    overtaken = [last_on_old(load, moves, at, by_itself) for at in range(MOVES)]
    for (_, done, old), last in zip(moves, overtaken, strict=True):
        assert last is None or last <= done, f"a request that began after the command returned got {old}"
    show(capsys, load, moves, overtaken)


def taken_back(served: Served, adapter: str) -> list[float]:
    """When the gateway went back by itself: beside a busy neighbour a release may really have become slow."""
    shift = time.monotonic() - time.time()
    return [
        datetime.fromisoformat(event["at"]).timestamp() + shift
        for event in served.postil_json("log", adapter, "--all")["data"]
        if event["actor"] == "postil" and event["action"] == "rollback"
    ]


def last_on_old(load: Load, moves: list[tuple[float, float, str]], at: int, by_itself: list[float]) -> float | None:
    """When the last request began that the old release still answered, counting from this move to the next."""
    began, done, old = moves[at]
    following = [moves[at + 1][0]] if at + 1 < len(moves) else []
    until = min([*following, *(when for when in by_itself if when > done)], default=float("inf"))
    asked = [(seen.began, seen.release) for seen in load.seen] + load.probed
    return max((when for when, release in asked if release == old and began <= when < until), default=None)


def show(
    capsys: pytest.CaptureFixture[str],
    load: Load,
    moves: list[tuple[float, float, str]],
    overtaken: list[float | None],
) -> None:
    """Print what was measured."""
    acts = [1000 * (done - began) for began, done, _ in moves]
    begins = [began for began, _, _ in moves]
    lasts = [0.0 if last is None else 1000 * (last - began) for began, last in zip(begins, overtaken, strict=True)]
    answers = f"{len(load.seen)} streamed answers of {CLIENTS} clients, and {len(load.probed)} probes,"
    with capsys.disabled():
        print(f"\n{answers} over {MOVES} promotes and rollbacks: 0 failed, 0 mixed")
        print(f"  command: {', '.join(f'{act:.0f}' for act in acts)} ms")
        print(f"  command to the last new request on the old release: {', '.join(f'{last:.0f}' for last in lasts)} ms")
