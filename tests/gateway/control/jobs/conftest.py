"""A gateway whose jobs are trained by a process that learns nothing, and OpenAI's own client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import openai
import pytest

from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import House, running_house
from tests.gateway.control.jobs.work import FAKE, speaking


@pytest.fixture
async def trained(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> AsyncIterator[House]:
    """A gateway that trains with the fake trainer."""
    async with running_house(tmp_path, *engine_at, trainer=FAKE) as running:
        yield running


@pytest.fixture
async def client(trained: House) -> AsyncIterator[openai.AsyncOpenAI]:
    """OpenAI's client with the admin's key."""
    async with speaking(trained) as made:
        yield made
