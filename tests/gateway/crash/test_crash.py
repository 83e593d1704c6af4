"""``kill -9`` in the midst of everything: what was acknowledged is there, and nothing is there by halves.

Each round kills ``postil serve``, in a process of its own, at a random instant of publishing, promoting, pinning and
collecting, starts it again on the same data, and looks. ``POSTIL_TEST_KILLS`` says how often; ``python -m
tests.benchmarks.kills`` does it a hundred times and prints where the kills struck.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.fakes.vllm import FakeVLLM
from tests.gateway.crash.rounds import kill_again_and_again
from tests.registry.conftest import create
from tests.registry.conftest import pg_folder as pg_folder
from tests.registry.conftest import postgres as postgres

KILLS = int(os.environ.get("POSTIL_TEST_KILLS", "25"))


async def test_whatever_a_kill_interrupts_nothing_is_lost_and_nothing_is_half_there(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    await kill_again_and_again(tmp_path, *engine_at, kills=KILLS)


async def test_nor_on_postgresql(tmp_path: Path, engine_at: tuple[FakeVLLM, str], postgres: str) -> None:
    await kill_again_and_again(tmp_path, *engine_at, kills=max(5, KILLS // 5), database_url=create(postgres))
