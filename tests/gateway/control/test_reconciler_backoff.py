"""The loop that loads what is missing: how it waits, and what it survives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from postil.gateway.control.reconciler import DesiredReleases, Reconciler
from postil.gateway.engine.adapter_cache import AdapterCache
from postil.gateway.engine.client import EngineClient
from postil.gateway.inference.routing.release import LoadedRelease, engine_name
from postil.registry.artifacts.local_store import LocalStore
from postil.registry.backoff import Backoff
from tests.fakes.adapters import write_adapter
from tests.fakes.vllm import FakeVLLM, Reply
from tests.gateway.conftest import until
from tests.gateway.inference.routing.test_catalog import RELEASES

SOON = Backoff(0.05, 0.4)
NEVER = Backoff(3600.0, 3600.0)


@dataclass
class Bench:
    """A reconciler over a fake engine, with two releases that it can be told to want."""

    engine: FakeVLLM
    adapter_cache: AdapterCache
    reconciler: Reconciler
    releases: list[LoadedRelease]
    wanted: list[tuple[LoadedRelease, list[str]]]
    ready: bool = True

    def want(self, *numbers: int) -> None:
        """Want these, and say so."""
        self.wanted[:] = [(self.releases[number], ["live"]) for number in numbers]
        self.reconciler.wake()

    def holds(self, number: int) -> bool:
        """Whether a release is loaded."""
        return self.adapter_cache.is_loaded(self.releases[number].engine_name)

    def refuse(self, *numbers: int) -> None:
        """Let the engine refuse these."""
        names = {self.releases[number].engine_name for number in numbers}
        self.engine.refuse_load = "no place left"
        self.engine.refused = lambda body: body["lora_name"] in names

    def attempts(self, number: int) -> int:
        """How often a release was tried in vain."""
        found = self.reconciler.load_failure(self.releases[number])
        return found.attempts if found else 0


@asynccontextmanager
async def running(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str], backoff: Backoff = SOON, poll_seconds: float = 3600
) -> AsyncIterator[Bench]:
    """A bench whose loop runs; that it still does so in the end is checked."""
    engine, url = engine_at
    store, wanted = LocalStore.open(tmp_path / "artifacts"), list[tuple[LoadedRelease, list[str]]]()
    releases = []
    for seed, release in enumerate((RELEASES[1], RELEASES[2])):
        with store.incoming() as folder:
            artifact = store.put(write_adapter(folder / "adapter", seed=seed))
        releases.append(replace(release, artifact=artifact, engine_name=engine_name(artifact)))
    client = EngineClient(url, timeout_seconds=5)
    adapter_cache = AdapterCache(client, store, capacity=64, busy=lambda name: False)

    def asked() -> DesiredReleases:
        return list(wanted)

    reconciler = Reconciler(
        client,
        adapter_cache,
        asked,
        ready=lambda: made.ready,
        tell=lambda text: None,
        warm_count=8,
        backoff=backoff,
        poll_seconds=poll_seconds,
    )
    made = Bench(engine, adapter_cache, reconciler, releases, wanted)
    task = asyncio.create_task(reconciler.run())
    yield made
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await client.close()


@pytest.fixture
async def bench(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> AsyncIterator[Bench]:
    """A bench."""
    async with running(tmp_path, engine_at) as made:
        yield made


async def test_what_is_wanted_is_loaded_and_asked_once(bench: Bench) -> None:
    bench.want(0, 1)
    await until(lambda: len(bench.engine.requests) == 2)
    assert bench.holds(0)
    assert bench.holds(1)
    assert bench.engine.loads == 2


async def test_it_waits_longer_after_each_failure_and_says_how_often_it_tried(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.refuse(0)
    bench.want(0)
    waits = []
    for attempt in range(1, 4):
        await until(lambda attempt=attempt: bench.attempts(0) >= attempt)  # type: ignore[misc]
        found = bench.reconciler.load_failure(bench.releases[0])
        assert found is not None
        assert "no place left" in found.reason
        waits.append(found.again_at)
    # It is due again so long after the try, which is no earlier than when the one before was due again.
    assert waits[1] - waits[0] >= SOON.pause(2)
    assert waits[2] - waits[1] >= SOON.pause(3)
    bench.engine.refuse_load = None
    await until(lambda: bench.holds(0) and bench.attempts(0) == 0)


async def test_one_that_fails_does_not_hold_up_the_others(bench: Bench) -> None:
    bench.refuse(0)
    bench.want(0, 1)
    await until(lambda: bench.holds(1) and bench.attempts(0) >= 2)


async def test_being_woken_does_not_bring_the_next_try_forward(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> None:
    async with running(tmp_path, engine_at, NEVER) as bench:
        bench.refuse(0)
        bench.want(0)
        await until(lambda: bench.attempts(0) == 1)
        bench.want(0, 1)
        await until(lambda: bench.holds(1))
        assert (bench.attempts(0), bench.engine.loads) == (1, 2)


async def test_a_disk_that_fails_is_a_trouble_like_any_other(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "artifacts" / "sha256" / bench.releases[0].artifact.removeprefix("sha256:")
    (folder / "adapter_config.json").unlink()
    (folder / "adapter_config.json").mkdir()
    bench.want(0, 1)
    await until(lambda: bench.holds(1) and bench.attempts(0) >= 2)


async def test_a_release_that_is_loaded_but_does_not_answer_is_not_loaded_again_and_again(bench: Bench) -> None:
    def unable(body: dict[str, Any]) -> Reply:
        raise ConnectionError("the engine breaks off")

    bench.engine.reply = unable
    bench.want(0)
    await until(lambda: bench.holds(0) and len(bench.engine.requests) >= 1)
    bench.want(0, 1)
    await until(lambda: bench.holds(1))
    assert (bench.engine.loads, bench.attempts(0)) == (2, 0)


async def test_nothing_is_loaded_into_an_engine_that_is_not_ready(bench: Bench) -> None:
    bench.ready = False
    bench.want(0)
    release = bench.releases[1]
    await bench.adapter_cache.ensure_loaded(release.engine_name, release.artifact, release.ref.domain)
    assert not bench.holds(0)
    bench.ready = True
    bench.reconciler.wake()
    await until(lambda: bench.holds(0))


async def test_what_is_not_wanted_any_more_is_forgotten(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> None:
    async with running(tmp_path, engine_at, NEVER) as bench:
        bench.refuse(0)
        bench.want(0)
        await until(lambda: bench.attempts(0) == 1)
        bench.want()
        await until(lambda: bench.attempts(0) == 0)
        bench.want(0)
        await until(lambda: bench.attempts(0) == 1)
        assert bench.engine.loads == 2


async def test_what_somebody_unloaded_is_loaded_again_without_a_request(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with running(tmp_path, engine_at, poll_seconds=0.05) as bench:
        bench.want(0, 1)
        await until(lambda: len(bench.engine.adapters) == 2)
        bench.engine.adapters.pop(bench.releases[0].engine_name)
        await until(lambda: len(bench.engine.adapters) == 2)
        assert bench.engine.loads == 3


async def test_an_engine_that_does_not_say_what_it_holds_is_believed_to_hold_it(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with running(tmp_path, engine_at, poll_seconds=0.02) as bench:
        bench.want(0)
        await until(lambda: len(bench.engine.requests) == 1)
        bench.engine.sick_while = tmp_path
        asked = bench.engine.asked
        await until(lambda: bench.engine.asked >= asked + 3)
        assert bench.holds(0)
        bench.engine.sick_while = None
        await until(lambda: bench.engine.asked >= asked + 6)
        assert (bench.holds(0), bench.engine.loads) == (True, 1)


async def test_a_new_engine_is_given_everything_whatever_was_before(bench: Bench) -> None:
    bench.want(0)
    await until(lambda: bench.holds(0))
    bench.engine.adapters.clear()
    bench.refuse(1)
    bench.wanted[:] = [(release, ["live"]) for release in bench.releases]
    await bench.reconciler.warm()
    assert set(bench.engine.adapters) == {bench.releases[0].engine_name}
    assert (bench.holds(0), bench.holds(1)) == (True, False)
    assert bench.attempts(1) >= 1
