"""A real training, from OpenAI's client to a release: the tiny base learns, and its report says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from postil.registry.names import parse_release
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import running_house
from tests.gateway.control.jobs.work import created, messages, reached, speaking, uploaded
from tests.registry.training.conftest import data as data
from tests.registry.training.conftest import tiny_base as tiny_base


@pytest.mark.tune
async def test_a_file_becomes_a_release_that_has_learned_it(
    tmp_path: Path, tiny_base: Path, data: tuple[Path, Path], engine_at: tuple[FakeVLLM, str]
) -> None:
    training, validation = (path.read_text() for path in data)
    async with running_house(tmp_path, *engine_at, base_model=str(tiny_base)) as house, speaking(house) as client:
        files = [await uploaded(client, content) for content in (training, validation)]
        job = await created(
            client,
            training_file=files[0].id,
            validation_file=files[1].id,
            hyperparameters={"n_epochs": 2, "learning_rate_multiplier": 10.0},
        )
        done = await reached(client, job.id, "succeeded", "failed", seconds=500)
        assert done.fine_tuned_model == "healthcare/triage@1", done.error
        told = await messages(client, job.id)
        assert any(each.startswith("Epoch 1.00: validation loss=") for each in told)
        own = done.model_dump()["postil"]
        assert own["accuracy"] > own["base_accuracy"]
        release = house.runtime.registry.get().candidate(parse_release(done.fine_tuned_model))
        assert release.metrics["data"]["digest"] == release.metrics["job"]["training_file"]["digest"]
