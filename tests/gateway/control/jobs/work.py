"""Acts of the tests of jobs."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
from openai.types import FileObject
from openai.types.fine_tuning import FineTuningJob

from postil.gateway.control.jobs.trainer import TrainerCommand
from tests.fakes.trainer import SCRIPT
from tests.gateway.conftest import House
from tests.registry.jobs.data import chats, text

FAKE = TrainerCommand("tests.fakes.trainer", libraries=())


def script(house: House, what: str) -> None:
    """Say what the trainer does from now on."""
    (house.runtime.settings.training / SCRIPT).write_text(what)


async def uploaded(client: openai.AsyncOpenAI, content: str | None = None, **more: Any) -> FileObject:
    """A training file of healthcare."""
    raw = (text(chats()) if content is None else content).encode()
    more.setdefault("extra_body", {"domain": "healthcare"})
    return await client.files.create(file=("triage.jsonl", raw), purpose="fine-tune", **more)


async def created(client: openai.AsyncOpenAI, **more: Any) -> FineTuningJob:
    """A job for healthcare/triage."""
    if "training_file" not in more:
        more["training_file"] = (await uploaded(client)).id
    return await client.fine_tuning.jobs.create(**{"model": "base", "suffix": "healthcare/triage", "seed": 7, **more})


async def reached(client: openai.AsyncOpenAI, job_id: str, *statuses: str, seconds: float = 120) -> FineTuningJob:
    """The job once it has one of these statuses; fails after some time."""
    async with asyncio.timeout(seconds):
        while (job := await client.fine_tuning.jobs.retrieve(job_id)).status not in statuses:  # noqa: ASYNC110 - it is another process's
            await asyncio.sleep(0.05)
        return job


async def messages(client: openai.AsyncOpenAI, job_id: str) -> list[str]:
    """All that a job told, the oldest first."""
    found = [event.message async for event in client.fine_tuning.jobs.list_events(job_id, limit=100)]
    return found[::-1]


async def at_step(client: openai.AsyncOpenAI, job_id: str, step: int) -> None:
    """Return once a job is at a step."""
    async with asyncio.timeout(60):
        while not any(each.startswith(f"Step {step}/") for each in await messages(client, job_id)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def speaking(house: House, key: str | None = None) -> openai.AsyncOpenAI:
    """OpenAI's client with a key, the admin's unless another is given."""
    return openai.AsyncOpenAI(base_url=f"{house.url}/v1", api_key=key or house.admin_key, max_retries=0)
