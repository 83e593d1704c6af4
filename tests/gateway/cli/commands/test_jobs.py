"""``postil jobs``: what a person sees of fine-tuning jobs."""

from __future__ import annotations

import json

import openai

from tests.fakes.trainer import CRASH, WAIT
from tests.gateway.cli.commands.test_commands import postil
from tests.gateway.conftest import House
from tests.gateway.control.jobs.conftest import client as client
from tests.gateway.control.jobs.conftest import trained as trained
from tests.gateway.control.jobs.work import at_step, created, reached, script


async def test_jobs_are_listed_shown_and_followed(trained: House, client: openai.AsyncOpenAI) -> None:
    assert (await postil(trained, "jobs", "list"))[1] == "there are no fine-tuning jobs\n"
    job = await created(client)
    status, out, complaints = await postil(trained, "jobs", "logs", job.id[:12], "--follow")
    assert (status, complaints) == (0, "")
    told = [line[21:] for line in out.splitlines()]
    assert told[0] == f"Created fine-tuning job: {job.id}"
    assert told[-1] == "New fine-tuned model created: healthcare/triage@1; it is not live"
    assert len(told) == len(set(told))
    _, out, _ = await postil(trained, "jobs", "list")
    head, row = out.splitlines()
    assert head.split() == ["id", "status", "adapter", "step", "since", "(UTC)", "release"]
    assert row.split()[:4] == [job.id[6:14], "succeeded", "healthcare/triage", "4/4"]
    assert row.split()[-1] == "@1"
    assert len(row.rstrip()) <= 80
    _, out, _ = await postil(trained, "jobs", "show", job.id.removeprefix("ftjob-"))
    lines = [line.split() for line in out.splitlines()]
    assert ["accuracy", "100.0%"] in lines
    assert ["validation", "file", *["a", "fifth", "of", "the", "training", "file"]] in lines
    shown = json.loads((await postil(trained, "jobs", "show", job.id, "--json"))[1])
    assert (shown["id"], shown["fine_tuned_model"]) == (job.id, "healthcare/triage@1")
    events = (await postil(trained, "jobs", "logs", job.id, "--json"))[1].splitlines()
    assert [json.loads(event)["type"] for event in events][:2] == ["message", "message"]


async def test_a_job_is_cancelled_once(trained: House, client: openai.AsyncOpenAI) -> None:
    script(trained, WAIT)
    job = await created(client)
    await at_step(client, job.id, 2)
    assert (await postil(trained, "jobs", "cancel", job.id))[1] == f"{job.id[:14]} is cancelled\n"
    status, _, complaints = await postil(trained, "jobs", "cancel", job.id)
    assert (status, complaints) == (1, f"error: {job.id} was cancelled already; there is nothing to cancel\n")
    status, _, complaints = await postil(trained, "jobs", "logs", job.id, "--follow")
    assert (status, complaints) == (1, f"error: {job.id[:14]} was cancelled\n")


async def test_a_failure_is_told_and_lists_are_cut(trained: House, client: openai.AsyncOpenAI) -> None:
    script(trained, CRASH)
    made = [await created(client, seed=seed) for seed in (1, 2)]
    for job in made:
        await reached(client, job.id, "failed")
    status, _, complaints = await postil(trained, "jobs", "logs", made[0].id, "--follow")
    assert status == 1
    assert "has failed: the training process ended early 3 times" in complaints
    _, out, complaints = await postil(trained, "jobs", "list", "--limit", "1", "--json")
    found = json.loads(out)
    assert ([job["id"] for job in found["data"]], found["next"]) == ([made[1].id], made[1].id)
    assert "1 shown; there are more" in complaints
    for which, says in (("ftjob-", "several jobs begin with ftjob-"), ("nothing", "no job begins with ftjob-nothing")):
        status, _, complaints = await postil(trained, "jobs", "show", which)
        assert (status, says in complaints) == (1, True)
