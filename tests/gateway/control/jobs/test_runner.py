"""Jobs on a gateway: trained one at a time in a process of their own, through crashes, cancels and restarts."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import threading
from datetime import timedelta
from pathlib import Path

import openai
import pytest

from postil.registry.db.job_tables import TrainingJob
from postil.registry.db.tables import utcnow
from postil.registry.names import parse_release
from tests.fakes.trainer import CRASH, NONSENSE, RAISE, WAIT
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import House, running_house, until
from tests.gateway.control.jobs.work import FAKE, at_step, created, messages, reached, script, speaking, uploaded
from tests.registry.jobs.data import chat, chats, text


def jobs_folders(house: House) -> list[str]:
    """The folders of jobs that are on the disk."""
    return sorted(path.name for path in (house.runtime.settings.training / "jobs").iterdir())


def trainer_pid(house: House) -> int:
    """The process that trains now."""
    assert house.runtime.jobs.trainer is not None
    return house.runtime.jobs.trainer.pid


async def test_a_job_goes_from_a_file_to_a_release_that_is_not_live(trained: House, client: openai.AsyncOpenAI) -> None:
    file = await uploaded(client)
    job = await created(client, training_file=file.id)
    done = await reached(client, job.id, "succeeded", "failed")
    assert (done.status, done.error, done.fine_tuned_model) == ("succeeded", None, "healthcare/triage@1")
    assert done.finished_at is not None
    told = await messages(client, job.id)
    assert told[0] == f"Created fine-tuning job: {job.id}"
    assert told[1] == "Files validated: 20 examples to learn (labels), 5 to validate with; moving job to queued"
    assert told[2] == "Fine-tuning job started"
    assert [each.split(":")[0] for each in told if each.startswith("Step")] == [f"Step {n}/4" for n in range(1, 5)]
    assert told[-1] == "New fine-tuned model created: healthcare/triage@1; it is not live"
    seen = (await trained.admin("GET", "/api/v1/adapters/healthcare/triage")).json()
    assert [release["number"] for release in seen["releases"]] == [1]
    assert seen["live"] is None
    await until(lambda: jobs_folders(trained) == [])


async def test_the_release_holds_the_lineage_of_its_data_and_answers_as_it_was_trained(
    trained: House, client: openai.AsyncOpenAI
) -> None:
    training, validation = await uploaded(client, text(chats()[::2])), await uploaded(client, text(chats()[1::2]))
    job = await created(client, training_file=training.id, validation_file=validation.id)
    done = await reached(client, job.id, "succeeded", "failed")
    assert done.fine_tuned_model is not None
    registry = trained.runtime.registry.get()
    candidate = registry.candidate(parse_release(done.fine_tuned_model))
    lineage = candidate.metrics["job"]
    assert (lineage["id"], lineage["seed"]) == (job.id, 7)
    assert lineage["training_file"]["digest"] == training.model_dump()["digest"]
    assert lineage["validation_file"]["id"] == validation.id
    assert candidate.policy["system_prompt"] == "Sort."
    assert candidate.policy["output"]["labels"] == ["billing", "symptoms"]
    release = registry.release(parse_release(done.fine_tuned_model))
    assert (release.actor, release.note, release.warnings) == ("admin", f"fine-tuning job {job.id}", [])


async def test_an_adapter_that_has_a_policy_keeps_it_and_a_job_may_name_another(
    trained: House, client: openai.AsyncOpenAI
) -> None:
    await trained.publish("healthcare/triage")
    first = await created(client)
    model = (await reached(client, first.id, "succeeded", "failed")).fine_tuned_model
    assert model == "healthcare/triage@2"
    registry = trained.runtime.registry.get()
    assert "fallback" in registry.release(parse_release(model)).policy
    own = {"policy": "system_prompt: Other.\n", "note": "mine"}
    second = await created(client, seed=8, extra_body={"postil": own})
    model = (await reached(client, second.id, "succeeded", "failed")).fine_tuned_model
    assert model is not None
    release = registry.release(parse_release(model))
    assert (release.policy["system_prompt"], release.note) == ("Other.", "mine")


async def test_data_that_cannot_be_learned_fails_the_job_with_a_sentence(
    trained: House, client: openai.AsyncOpenAI
) -> None:
    file = await uploaded(client, text([*chats(), chat("explain", "A free text."), chat("why", "So.")]))
    failed = await reached(client, (await created(client, training_file=file.id)).id, "failed", "succeeded")
    assert failed.error is not None
    assert (failed.error.code, failed.error.param) == ("invalid_training_file", "training_file")
    assert "line 26: the output is not a JSON object of one field" in failed.error.message
    assert "line 27" in failed.error.message
    await until(lambda: jobs_folders(trained) == [])


async def test_a_job_whose_process_is_killed_is_trained_again(trained: House, client: openai.AsyncOpenAI) -> None:
    script(trained, WAIT)
    job = await created(client)
    await at_step(client, job.id, 2)
    script(trained, "")
    os.kill(trainer_pid(trained), signal.SIGKILL)
    done = await reached(client, job.id, "succeeded", "failed")
    assert done.status == "succeeded"
    assert "The training process ended early (signal 9)" in await messages(client, job.id)


async def test_a_job_whose_process_always_ends_early_fails(trained: House, client: openai.AsyncOpenAI) -> None:
    script(trained, CRASH)
    failed = await reached(client, (await created(client)).id, "succeeded", "failed")
    assert failed.error is not None
    assert failed.error.code == "training_crashed"
    assert "ended early 3 times, the last time by signal 9" in failed.error.message


async def test_a_process_that_ends_by_an_error_is_told_by_its_status(
    trained: House, client: openai.AsyncOpenAI
) -> None:
    script(trained, RAISE)
    failed = await reached(client, (await created(client)).id, "succeeded", "failed")
    assert failed.error is not None
    assert "ended early 3 times, the last time by status 1" in failed.error.message


async def test_a_cancelled_job_is_ended_at_once_and_the_next_one_is_trained(
    trained: House, client: openai.AsyncOpenAI
) -> None:
    script(trained, WAIT)
    first = await created(client)
    await at_step(client, first.id, 2)
    pid = trainer_pid(trained)
    second, third = await created(client, seed=8), await created(client, seed=9)
    assert (await reached(client, second.id, "queued")).status == "queued"  # One at a time.
    assert (await client.fine_tuning.jobs.cancel(third.id)).status == "cancelled"
    script(trained, "")
    assert (await client.fine_tuning.jobs.cancel(first.id)).status == "cancelled"
    done = await reached(client, second.id, "succeeded", "failed")
    assert done.fine_tuned_model == "healthcare/triage@1"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    await until(lambda: jobs_folders(trained) == [])
    assert (await client.fine_tuning.jobs.retrieve(first.id)).status == "cancelled"


async def test_a_job_goes_on_when_the_gateway_is_started_again(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> None:
    async with running_house(tmp_path, *engine_at, trainer=FAKE) as house, speaking(house) as client:
        script(house, WAIT)
        job = await created(client)
        await at_step(client, job.id, 2)
        pid = trainer_pid(house)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    async with running_house(tmp_path, *engine_at, trainer=FAKE) as house, speaking(house) as client:
        await until(lambda: house.runtime.jobs.trainer is not None)
        script(house, "")
        os.kill(trainer_pid(house), signal.SIGKILL)
        assert (await reached(client, job.id, "succeeded", "failed")).status == "succeeded"


async def test_a_frozen_domain_fails_the_job_at_its_end(trained: House, client: openai.AsyncOpenAI) -> None:
    await trained.publish("healthcare/triage")
    script(trained, WAIT)
    job = await created(client)
    await at_step(client, job.id, 2)
    frozen = await trained.admin("POST", "/api/v1/domains/healthcare/freeze", json={"reason": "an incident"})
    assert frozen.status_code == 200
    script(trained, "")
    os.kill(trainer_pid(trained), signal.SIGKILL)
    failed = await reached(client, job.id, "succeeded", "failed")
    assert failed.error is not None
    assert (failed.error.code, "is frozen by" in failed.error.message) == ("not_published", True)


async def test_a_gateway_that_trains_nothing_leaves_jobs_to_others(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    idle = running_house(tmp_path, *engine_at, trainer=FAKE, training_jobs=False)
    async with idle as house, speaking(house) as client:
        job = await created(client)
        assert "fine-tuning jobs" not in house.runtime.tasks.restarts
        assert (await client.fine_tuning.jobs.retrieve(job.id)).status == "validating_files"


async def test_the_log_says_who_made_and_ended_a_job_and_none_of_its_texts(
    trained: House, client: openai.AsyncOpenAI
) -> None:
    job = await created(client)
    await reached(client, job.id, "succeeded", "failed")
    events = (await trained.admin("GET", "/api/v1/events")).json()["data"]
    actions = [event["action"] for event in events]
    assert [each for each in actions if each.startswith("training")] == [
        "training-file-add", "training-job-create", "training-job-end",
    ]  # fmt: skip
    assert "hurts" not in json.dumps(events)


async def test_a_process_that_tells_what_makes_no_sense_fails_its_job(
    trained: House, client: openai.AsyncOpenAI
) -> None:
    script(trained, NONSENSE)
    failed = await reached(client, (await created(client)).id, "succeeded", "failed")
    assert failed.error is not None
    assert (failed.error.code, "makes no sense" in failed.error.message) == ("training_failed", True)


async def test_a_job_that_the_gateway_cannot_read_fails_and_stops_no_other(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    idle = running_house(tmp_path, *engine_at, trainer=FAKE, training_jobs=False)
    async with idle as house, speaking(house) as client:
        broken, good = await created(client), await created(client, seed=8)
        with house.runtime.registry.database().write() as session:
            session.get_one(TrainingJob, broken.id).options = {"n_epochs": "many"}
    left = tmp_path / "home" / "training" / "jobs" / "ftjob-of-a-gateway-that-was-killed"
    left.mkdir(parents=True)
    async with running_house(tmp_path, *engine_at, trainer=FAKE) as house, speaking(house) as client:
        assert (await reached(client, good.id, "succeeded", "failed")).status == "succeeded"
        assert not left.exists()
        with house.runtime.registry.database().read() as session:
            job = session.get_one(TrainingJob, broken.id)
        assert job.error == {
            "code": "internal_error", "message": "the gateway failed on this job; its log says why", "param": None,
        }  # fmt: skip


async def test_a_job_whose_release_is_being_made_can_neither_be_cancelled_nor_paused_and_succeeds(
    trained: House, client: openai.AsyncOpenAI
) -> None:
    script(trained, WAIT)
    job = await created(client)
    await at_step(client, job.id, 2)
    go_on = threading.Event()
    pool = trained.runtime.pools.publishing
    async with asyncio.TaskGroup() as group:
        for _ in range(8):  # The publish waits for a thread.
            group.create_task(pool.run("healthcare", "admin", go_on.wait))
        try:
            script(trained, "")
            os.kill(trainer_pid(trained), signal.SIGKILL)
            async with asyncio.timeout(60):
                while "Training is done; publishing its release" not in await messages(client, job.id):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            assert (await client.fine_tuning.jobs.retrieve(job.id)).status == "running"
            with pytest.raises(openai.BadRequestError, match="its release is being published"):
                await client.fine_tuning.jobs.cancel(job.id)
            with pytest.raises(openai.BadRequestError, match="can be paused"):
                await client.fine_tuning.jobs.pause(job.id)
            assert jobs_folders(trained) == [job.id]
        finally:
            go_on.set()
    done = await reached(client, job.id, "succeeded", "failed")
    assert (done.status, done.fine_tuned_model) == ("succeeded", "healthcare/triage@1")
    await until(lambda: jobs_folders(trained) == [])


async def test_a_job_that_another_took_keeps_its_folder(trained: House, client: openai.AsyncOpenAI) -> None:
    script(trained, WAIT)
    job = await created(client)
    await at_step(client, job.id, 2)
    with trained.runtime.registry.database().write() as session:
        row = session.get_one(TrainingJob, job.id)
        row.claimed_by, row.claimed_until = "another", utcnow() + timedelta(hours=1)
    await until(lambda: trained.runtime.jobs.trainer is None)
    assert jobs_folders(trained) == [job.id]
    assert (await client.fine_tuning.jobs.retrieve(job.id)).status == "running"


async def test_a_job_whose_folder_is_gone_is_prepared_again(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> None:
    async with running_house(tmp_path, *engine_at, trainer=FAKE) as house, speaking(house) as client:
        script(house, WAIT)
        job = await created(client)
        await at_step(client, job.id, 2)
    shutil.rmtree(tmp_path / "home" / "training" / "jobs" / job.id)
    async with running_house(tmp_path, *engine_at, trainer=FAKE) as house, speaking(house) as client:
        script(house, "")
        assert (await reached(client, job.id, "succeeded", "failed")).status == "succeeded"
        assert "The job's data is not on this disk; moving job to validating_files" in await messages(client, job.id)
