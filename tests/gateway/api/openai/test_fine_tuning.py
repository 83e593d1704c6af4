"""Fine-tuning jobs through OpenAI's own client: what is asked, what is refused, and what is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai
import pytest

from postil.gateway.control.jobs.trainer import TrainerCommand
from postil.registry.accounts.keys import Role
from postil.registry.names import parse_release
from tests.fakes.trainer import WAIT
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import House, bearer, running_house, until
from tests.gateway.control.jobs.conftest import client as client
from tests.gateway.control.jobs.conftest import trained as trained
from tests.gateway.control.jobs.work import at_step, created, messages, reached, script, speaking, uploaded
from tests.gateway.tenancy.test_roles import staff
from tests.registry.jobs.data import answers, preferences, text

DPO = {"method": {"type": "dpo"}}


async def test_what_was_asked_is_told_back_in_openais_shape(trained: House, client: openai.AsyncOpenAI) -> None:
    file = await uploaded(client)
    job = await created(
        client,
        training_file=file.id,
        model=trained.runtime.registry.get().base.id,
        method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2, "batch_size": "auto"}}},
        metadata={"team": "a"},
        extra_body={"postil": {"lora_r": 4, "targets": ["q_proj"], "domain": "healthcare"}},
    )
    assert (job.object, job.training_file, job.validation_file, job.seed) == ("fine_tuning.job", file.id, None, 7)
    assert (job.hyperparameters.n_epochs, job.hyperparameters.batch_size) == (2, "auto")
    assert job.method is not None
    assert job.method.supervised is not None
    assert job.method.supervised.hyperparameters is not None
    assert job.method.supervised.hyperparameters.n_epochs == 2
    assert (job.metadata, job.error, job.fine_tuned_model) == ({"team": "a"}, None, None)
    own = job.model_dump()["postil"]
    assert (own["domain"], own["adapter"], own["lora_r"]) == ("healthcare", "triage", 4)
    assert (await client.fine_tuning.jobs.retrieve(job.id)).id == job.id
    await reached(client, job.id, "succeeded", "failed")


async def test_free_text_becomes_a_release_with_its_prompt(trained: House, client: openai.AsyncOpenAI) -> None:
    file = await uploaded(client, text(answers()))
    done = await reached(client, (await created(client, training_file=file.id)).id, "succeeded", "failed")
    assert (done.fine_tuned_model, done.error) == ("healthcare/triage@1", None)
    told = await messages(client, done.id)
    assert (
        "Files validated: 8 examples to learn (answers in free text), 2 to validate with; moving job to queued" in told
    )
    [release] = (await trained.admin("GET", "/api/v1/adapters/healthcare/triage/releases")).json()["data"]
    assert release["policy"]["system_prompt"] == "Sort."
    own = done.model_dump()["postil"]
    assert (own["accuracy"], own["base_accuracy"], own["loss"]) == (None, None, 0.5)


async def test_preferences_become_a_release_and_their_beta_is_told_back(
    trained: House, client: openai.AsyncOpenAI
) -> None:
    file = await uploaded(client, text(preferences()))
    method = {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2, "n_epochs": 2}}}
    job = await created(client, training_file=file.id, method=method)
    assert job.method is not None
    assert (job.method.type, job.method.supervised) == ("dpo", None)
    assert job.method.dpo is not None
    assert job.method.dpo.hyperparameters is not None
    assert (job.method.dpo.hyperparameters.beta, job.method.dpo.hyperparameters.n_epochs) == (0.2, 2)
    done = await reached(client, job.id, "succeeded", "failed")
    assert (done.fine_tuned_model, done.error) == ("healthcare/triage@1", None)
    report = trained.runtime.registry.get().candidate(parse_release("healthcare/triage@1")).metrics
    assert (report["method"], report["options"]["beta"], report["options"]["epochs"]) == ("dpo", 0.2, 2)
    own = done.model_dump()["postil"]
    assert (own["accuracy"], own["base_accuracy"], own["loss"]) == (0.75, 0.5, None)


async def test_preferences_under_the_supervised_method_fail_with_the_remedy(
    trained: House, client: openai.AsyncOpenAI
) -> None:
    file = await uploaded(client, text(preferences()))
    failed = await reached(client, (await created(client, training_file=file.id)).id, "succeeded", "failed")
    assert failed.error is not None
    assert "take the method `dpo` for preferences" in failed.error.message
    assert failed.error.param == "training_file"


async def test_the_older_place_of_hyperparameters_and_a_suffix_without_a_domain_are_taken(
    trained: House, client: openai.AsyncOpenAI
) -> None:
    job = await created(client, suffix="triage", hyperparameters={"n_epochs": 1}, seed=None)
    assert (job.hyperparameters.n_epochs, job.model_dump()["suffix"]) == (1, "healthcare/triage")
    assert job.seed >= 0
    await reached(client, job.id, "succeeded", "failed")


@pytest.mark.parametrize(
    ("asked", "param", "code"),
    [
        ({"model": "gpt-4o-mini"}, "model", "invalid_value"),
        ({"suffix": None}, "suffix", "invalid_value"),
        ({"suffix": "healthcare/triage", "extra_body": {"postil": {"domain": "legal"}}}, "suffix", "invalid_value"),
        ({"training_file": "file-nothing"}, "training_file", "invalid_value"),
        ({"training_file": "file-nothing", "suffix": "triage"}, "training_file", "invalid_value"),
        ({"validation_file": "file-nothing"}, "validation_file", "invalid_value"),
        ({"method": {"type": "reinforcement"}}, "method.type", "unsupported_parameter"),
        ({"method": {"type": "dpo", "supervised": {}}}, "method.supervised", "unsupported_parameter"),
        (
            {"method": {"type": "dpo"}, "extra_body": {"postil": {"reject": "x"}}},
            "postil.reject",
            "unsupported_parameter",
        ),
        ({"method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0}}}}, None, "invalid_value"),
        ({"method": {"type": "supervised", "dpo": {}}}, "method.dpo", "unsupported_parameter"),
        ({"integrations": [{"type": "wandb", "wandb": {"project": "x"}}]}, "integrations", "unsupported_parameter"),
        ({"extra_body": {"postil": {"lora_r": 512}}}, "postil.lora_r", "invalid_value"),
        ({"extra_body": {"postil": {"targets": ["other"]}}}, "postil.targets", "invalid_value"),
        ({"extra_body": {"postil": {"targets": [" "]}}}, "targets", "invalid_value"),
        ({"hyperparameters": {"n_epochs": 0}}, None, "invalid_value"),
        ({"extra_body": {"other": 1}}, None, "invalid_value"),
    ],
)
async def test_what_cannot_be_is_refused_with_the_parameter(
    trained: House, client: openai.AsyncOpenAI, asked: dict[str, Any], param: str | None, code: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await created(client, **asked)
    assert (refused.value.param, refused.value.code) == (param, code), refused.value.message
    assert [job.id async for job in client.fine_tuning.jobs.list()] == []


async def test_a_policy_that_cannot_be_is_refused_before_the_training(
    trained: House, client: openai.AsyncOpenAI
) -> None:
    with pytest.raises(openai.UnprocessableEntityError):
        await created(client, extra_body={"postil": {"policy": "nothing: known"}})
    alike = 'output: {labels: [a, "a "]}'
    with pytest.raises(openai.UnprocessableEntityError, match="look alike"):
        await created(client, extra_body={"postil": {"policy": alike}})
    with pytest.raises(openai.BadRequestError):
        await created(client, extra_body={"postil": {"note": "x" * 4001}})
    assert [job.id async for job in client.fine_tuning.jobs.list()] == []


async def test_jobs_are_listed_page_by_page_and_by_metadata(trained: House, client: openai.AsyncOpenAI) -> None:
    script(trained, WAIT)
    file = await uploaded(client)
    made = [(await created(client, training_file=file.id, metadata={"n": str(n)})).id for n in range(3)]
    assert [job.id async for job in client.fine_tuning.jobs.list(limit=2)] == made[::-1]
    assert [job.id async for job in client.fine_tuning.jobs.list(metadata={"n": "1"})] == [made[1]]
    with pytest.raises(openai.BadRequestError) as refused:
        await client.fine_tuning.jobs.list(after="ftjob-nothing")
    assert refused.value.param == "after"
    for job in made:
        await client.fine_tuning.jobs.cancel(job)


async def test_events_are_paged_and_a_checkpoint_is_the_release(trained: House, client: openai.AsyncOpenAI) -> None:
    job = await created(client)
    assert (await client.fine_tuning.jobs.checkpoints.list(job.id)).data == []
    await reached(client, job.id, "succeeded", "failed")
    events = [event async for event in client.fine_tuning.jobs.list_events(job.id, limit=3)]
    assert len({event.id for event in events}) == len(events) > 6
    steps = [event.data for event in events if event.type == "metrics"]
    assert {"step": 1, "total_steps": 4, "train_loss": 1.0} in steps
    [checkpoint] = (await client.fine_tuning.jobs.checkpoints.list(job.id)).data
    assert (checkpoint.fine_tuned_model_checkpoint, checkpoint.step_number) == ("healthcare/triage@1", 4)
    assert checkpoint.metrics.full_valid_loss == 0.1
    with pytest.raises(openai.BadRequestError):
        await client.fine_tuning.jobs.list_events(job.id, after="event-1")


async def test_a_job_is_paused_resumed_and_no_longer_cancelled_once_it_has_ended(
    trained: House, client: openai.AsyncOpenAI
) -> None:
    script(trained, WAIT)
    job = await created(client)
    await at_step(client, job.id, 2)
    assert str((await client.fine_tuning.jobs.pause(job.id)).status) == "paused"  # Not among the client's types.
    await until(lambda: trained.runtime.jobs.trainer is None)
    with pytest.raises(openai.BadRequestError, match="only one that is queued or running can be paused"):
        await client.fine_tuning.jobs.pause(job.id)
    script(trained, "")
    assert (await client.fine_tuning.jobs.resume(job.id)).status == "queued"
    assert (await reached(client, job.id, "succeeded", "failed")).status == "succeeded"
    with pytest.raises(openai.BadRequestError, match="has succeeded already"):
        await client.fine_tuning.jobs.cancel(job.id)


async def test_who_works_on_another_domain_neither_finds_nor_makes_a_job(
    trained: House, client: openai.AsyncOpenAI
) -> None:
    script(trained, WAIT)
    job = await created(client)
    await at_step(client, job.id, 2)
    eve = await staff(trained, Role.PUBLISHER, "legal", owner="eve")
    jobs = f"/v1/fine_tuning/jobs/{job.id}"
    for method, path in (
        ("GET", jobs), ("GET", f"{jobs}/events"), ("GET", f"{jobs}/checkpoints"),
        ("POST", f"{jobs}/cancel"), ("POST", f"{jobs}/pause"), ("POST", f"{jobs}/resume"),
    ):  # fmt: skip
        assert (await eve.ask(method, path)).status_code == 404, path
    async with speaking(trained, eve.key) as hers:
        assert [each.id async for each in hers.fine_tuning.jobs.list()] == []
        with pytest.raises(openai.PermissionDeniedError):
            await created(hers, training_file=job.training_file)
        mine = await uploaded(hers, extra_body={})
        with pytest.raises(openai.BadRequestError, match="there is no file"):
            await created(hers, suffix="legal/clause", training_file=job.training_file)
        made = await created(hers, suffix="legal/clause", training_file=mine.id)
        assert made.model_dump()["postil"]["owner"] == "eve"
        await hers.fine_tuning.jobs.cancel(made.id)
    await client.fine_tuning.jobs.cancel(job.id)


async def test_without_the_libraries_no_job_is_made_and_the_refusal_says_what_to_install(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    lacking = TrainerCommand(libraries=("no_such_library",))
    async with running_house(tmp_path, *engine_at, trainer=lacking) as house:
        async with speaking(house, house.admin_key) as client:
            with pytest.raises(openai.BadRequestError, match=r"bash deploy/setup\.sh cpu tune") as refused:
                await created(client)
            assert refused.value.code == "training_unavailable"
        no_key = await house.client.get("/v1/files", headers=bearer("nobody"))
        assert no_key.status_code == 401


async def test_a_domain_has_no_more_open_jobs_than_it_may(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> None:
    async with (
        running_house(tmp_path, *engine_at, training_jobs=False, training_jobs_per_domain=1) as house,
        speaking(house, house.admin_key) as client,
    ):
        first = await created(client)
        with pytest.raises(openai.ConflictError, match="POSTIL_TRAINING_JOBS_PER_DOMAIN"):
            await created(client)
        await client.fine_tuning.jobs.cancel(first.id)
        await created(client)


async def test_a_job_whose_key_was_revoked_publishes_nothing(trained: House) -> None:
    script(trained, WAIT)
    body = {"owner": "ann", "role": Role.PUBLISHER, "domains": ["healthcare"]}
    key = (await trained.admin("POST", "/api/v1/keys", json=body)).json()
    async with speaking(trained, key["key"]) as ann, speaking(trained) as admin:
        job = await created(ann)
        await at_step(ann, job.id, 2)
        assert (await trained.admin("DELETE", f"/api/v1/keys/{key['id']}")).status_code == 200
        await admin.fine_tuning.jobs.pause(job.id)
        await until(lambda: trained.runtime.jobs.trainer is None)
        script(trained, "")
        await admin.fine_tuning.jobs.resume(job.id)
        ended = await reached(admin, job.id, "succeeded", "failed")
    assert (ended.status, ended.fine_tuned_model) == ("failed", None)
    assert ended.error is not None
    assert (ended.error.code, "was revoked" in ended.error.message) == ("not_published", True)
    assert trained.runtime.catalog.current.entries == {}
