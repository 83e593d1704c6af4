"""What the engine holds: bounded, the least recently used goes first, never what is in use or pinned."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from postil.gateway.engine.adapter_cache import AdapterCache, LoadError
from postil.gateway.engine.client import EngineClient
from postil.gateway.inference.routing.release import engine_name
from postil.registry.artifacts.local_store import LocalStore
from tests.fakes.adapters import write_adapter
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import until


@dataclass
class Bench:
    """Room for two artifacts out of four."""

    engine: FakeVLLM
    adapter_cache: AdapterCache
    artifacts: list[str]
    busy: set[str] = field(default_factory=set)

    def name(self, index: int) -> str:
        return engine_name(self.artifacts[index])

    async def use(self, *indices: int) -> None:
        for index in indices:
            await self.adapter_cache.ensure_loaded(self.name(index), self.artifacts[index], "healthcare")

    async def holds(self, *indices: int) -> None:
        """Wait until the engine holds just these, and see that we think so too."""
        names = {self.name(index) for index in indices}
        await until(lambda: set(self.engine.adapters) == names)
        assert set(self.adapter_cache.names()) == names


@pytest.fixture
async def bench(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> AsyncIterator[Bench]:
    engine, url = engine_at
    store = LocalStore.open(tmp_path / "artifacts")
    artifacts = []
    for seed in range(4):
        with store.incoming() as folder:
            artifacts.append(store.put(write_adapter(folder / "adapter", seed=seed)))
    client = EngineClient(url, timeout_seconds=5)
    busy: set[str] = set()
    yield Bench(engine, AdapterCache(client, store, capacity=2, busy=busy.__contains__), artifacts, busy)
    await client.close()


async def test_the_one_not_used_for_longest_makes_room(bench: Bench) -> None:
    await bench.use(0, 1, 0, 2)
    await bench.holds(0, 2)
    await bench.use(3)
    await bench.holds(2, 3)
    assert bench.engine.unloaded == [bench.name(1), bench.name(0)]


async def test_what_was_unloaded_is_loaded_again(bench: Bench) -> None:
    await bench.use(0, 1, 2, 0)
    await bench.holds(2, 0)
    assert bench.engine.loads == 4


async def test_never_one_that_is_in_use_or_pinned(bench: Bench) -> None:
    bench.adapter_cache.pinned = frozenset({bench.name(0)})
    await bench.use(0)
    bench.busy.add(bench.name(1))
    await bench.use(1, 2)
    await bench.holds(0, 1, 2)  # More than there should be, for as long as all are needed.
    bench.busy.clear()
    await bench.use(3)
    await bench.holds(0, 3)


async def test_one_that_is_wanted_again_while_it_goes_is_there_in_the_end(bench: Bench) -> None:
    await bench.use(0, 1)
    await asyncio.gather(*(bench.use(index) for index in (2, 0, 3, 1, 0, 2, 3, 0, 1) * 3))
    await until(lambda: not bench.adapter_cache._unloading)
    assert set(bench.engine.adapters) == set(bench.adapter_cache.names())
    assert len(bench.engine.adapters) == 2


async def test_what_is_waited_for_is_loaded_ahead_but_does_not_push_out_everything(bench: Bench) -> None:
    await bench.use(0)
    for index in (1, 2, 3):
        bench.adapter_cache.prefetch(bench.name(index), bench.artifacts[index], "healthcare")
    await bench.holds(0, 1)
    await bench.use(1)
    bench.adapter_cache.prefetch(bench.name(2), bench.artifacts[2], "healthcare")
    await bench.holds(1, 2)


async def test_loading_ahead_that_fails_is_told_to_who_needs_it_and_blocks_nobody(bench: Bench) -> None:
    bench.engine.refuse_load = "no"
    bench.adapter_cache.prefetch(bench.name(0), bench.artifacts[0], "healthcare")
    with pytest.raises(LoadError, match="refused"):
        await bench.use(0)
    bench.engine.refuse_load = None
    bench.adapter_cache.prefetch(bench.name(1), bench.artifacts[1], "healthcare")
    await bench.holds(1)


async def test_loading_ahead_while_the_engine_is_away_takes_nobodys_place(bench: Bench) -> None:
    bench.engine.refuse_load, bench.engine.healthy = "no", False
    bench.adapter_cache.prefetch(bench.name(0), bench.artifacts[0], "healthcare")
    await until(lambda: bench.engine.loads == 1 and not bench.adapter_cache._ahead)
    bench.engine.refuse_load, bench.engine.healthy = None, True
    bench.adapter_cache.prefetch(bench.name(1), bench.artifacts[1], "healthcare")
    await bench.holds(1)
