"""What the tests of both translated APIs need: a gateway whose validator has a window, and texts for its engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from tests.fakes.vllm import FakeVLLM, Reply
from tests.gateway.conftest import House, running_house
from tests.gateway.inference.streaming.test_guarded_http import Plugin

MODEL = "legal/notes"
STOP = "validators: [{name: ban, on_fail: stop, config: {phrase: bad}}]"
REPLACE = "validators: [{name: ban, on_fail: replace, replacement: I cannot say., config: {phrase: bad}}]"
REVIEW = """
output: {labels: [symptoms]}
validators: [{name: labels}]
fallback: [{name: review, config: {content: a person looks at it}}]
"""


class Category(BaseModel):
    """What a label adapter answers."""

    category: str


@pytest.fixture
async def firm(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> AsyncIterator[House]:
    """A gateway with a validator that has a window."""
    async with running_house(tmp_path, *engine_at, plugins=[Plugin()]) as house:
        yield house


def says(house: House, text: str, **more: Any) -> None:
    """Have the engine say this from now on."""
    house.engine.reply = lambda body: Reply(text, **more)
