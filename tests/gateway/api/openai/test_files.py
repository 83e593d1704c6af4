"""Training files through OpenAI's own client: whose they are, what they may be, and what a refusal says."""

from __future__ import annotations

import asyncio
import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import openai
import pytest

from postil.registry.accounts.keys import Role
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import House, bearer, running_house, until
from tests.gateway.control.jobs.conftest import client as client
from tests.gateway.control.jobs.conftest import trained as trained
from tests.gateway.control.jobs.work import created, reached, speaking, uploaded
from tests.gateway.tenancy.test_denied_attempts import noted
from tests.gateway.tenancy.test_roles import staff
from tests.registry.jobs.data import chat, chats, text


async def test_a_file_is_uploaded_listed_read_and_deleted(trained: House, client: openai.AsyncOpenAI) -> None:
    made = [await uploaded(client) for _ in range(3)]
    first = made[0]
    assert (first.object, first.purpose, first.status, first.filename) == (
        "file",
        "fine-tune",
        "processed",
        "triage.jsonl",
    )
    assert (first.bytes, first.expires_at) == (len(text(chats())), None)
    assert await client.files.retrieve(first.id) == first
    assert [file.id async for file in client.files.list(limit=2)] == [file.id for file in reversed(made)]
    assert [file.id async for file in client.files.list(order="asc", after=first.id)] == [made[1].id, made[2].id]
    assert [file.id async for file in client.files.list(purpose="batch")] == []
    assert (await client.files.content(first.id)).text == text(chats())
    gone = await client.files.delete(first.id)
    assert (gone.id, gone.deleted, gone.object) == (first.id, True, "file")
    with pytest.raises(openai.NotFoundError):
        await client.files.retrieve(first.id)
    assert (await client.files.wait_for_processing(made[1].id)).status == "processed"


async def test_a_key_for_one_domain_need_not_name_it_and_sees_no_other(trained: House) -> None:
    ann = await staff(trained, Role.PUBLISHER, "healthcare")
    both = await staff(trained, Role.PUBLISHER, "legal", "finance", owner="eve")
    async with speaking(trained, ann.key) as hers, speaking(trained, both.key) as theirs:
        file = await uploaded(hers, extra_body={})
        assert file.model_dump()["domain"] == "healthcare"
        for act in (theirs.files.retrieve, theirs.files.content, theirs.files.delete):
            with pytest.raises(openai.NotFoundError, match="of your domains"):
                await act(file.id)
        assert [each.id async for each in theirs.files.list()] == []
        with pytest.raises(openai.BadRequestError) as unnamed:
            await uploaded(theirs, extra_body={})
        assert unnamed.value.param == "domain"
        with pytest.raises(openai.PermissionDeniedError):
            await uploaded(theirs, extra_body={"domain": "healthcare"})
        assert (await uploaded(theirs, extra_body={"domain": "legal"})).model_dump()["domain"] == "legal"


@pytest.mark.parametrize("role", [role for role in Role if role not in (Role.PUBLISHER, Role.ADMIN)])
async def test_who_may_not_publish_sees_no_file(trained: House, role: Role) -> None:
    if role is Role.TENANT:
        key = await trained.tenant("clinic", "healthcare")
    else:
        key = (await staff(trained, role, *(["healthcare"] if role is Role.REVIEWER else []))).key
    async with speaking(trained, key) as theirs:
        acts: list[Any] = [partial(uploaded, theirs), theirs.files.list, theirs.fine_tuning.jobs.list]
        for act in acts:
            with pytest.raises(openai.PermissionDeniedError) as refused:
                await act()
            assert refused.value.code == "key_forbidden"
    await trained.runtime.denied_attempts.flush()
    wanted = {"POST /v1/files", "GET /v1/files", "GET /v1/fine_tuning/jobs"}
    await until(lambda: wanted <= {row.route for row in noted(trained)})


async def test_all_faults_of_a_file_are_told_in_one_refusal(trained: House, client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await uploaded(client, text(chats()) + 'no json\n{"messages": []}\n')
    assert refused.value.param == "file"
    assert "triage.jsonl has 2 faults: line 26: this is not a JSON object" in refused.value.message
    assert "line 27: " in refused.value.message
    assert [file.id async for file in client.files.list()] == []
    assert list((trained.runtime.settings.training / "files").iterdir()) == []


async def test_what_is_no_upload_is_refused_with_the_parameter(trained: House, client: openai.AsyncOpenAI) -> None:
    headers = bearer(trained.admin_key)
    for arguments, param in (
        ({"data": {"purpose": "fine-tune"}}, "file"),
        ({"json": {"purpose": "fine-tune"}}, "file"),
        ({"files": {"file": ("a", b"{}")}, "data": {"purpose": "batch"}}, "purpose"),
        ({"files": {"file": ("a", b"{}")}}, "purpose"),
    ):
        answer = await trained.client.post("/v1/files", headers=headers, **arguments)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text
    cut = {**headers, "Content-Type": "multipart/form-data; boundary=x"}
    answer = await trained.client.post("/v1/files", headers=cut, content=b"--x\r\nbroken")
    assert answer.status_code == 400
    for expiry in ({"anchor": "created_at", "seconds": 10}, {"anchor": "other", "seconds": 4000}):
        with pytest.raises(openai.BadRequestError) as refused:
            await uploaded(client, expires_after=expiry)
        assert refused.value.param == "expires_after"
    kept = await uploaded(client, expires_after={"anchor": "created_at", "seconds": 4000})
    assert kept.expires_at is not None
    assert kept.expires_at - kept.created_at == 4000


async def test_a_file_over_the_limit_is_refused_whether_it_says_its_size_or_not(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with running_house(tmp_path, *engine_at, training_file_mib=1, training_files_mib_per_domain=1) as house:
        async with speaking(house, house.admin_key) as client:
            with pytest.raises(openai.APIStatusError) as refused:
                await uploaded(client, " " * (3 << 20))
            assert refused.value.status_code == 413
            assert "larger than 1 MiB" in refused.value.message
            with pytest.raises(openai.APIStatusError) as refused:
                await uploaded(client, text(chats()) + " " * (1 << 20))
            assert refused.value.status_code == 413
            await uploaded(client, text(chats()) + " " * (600 << 10))
            with pytest.raises(openai.BadRequestError, match="POSTIL_TRAINING_FILES_MIB_PER_DOMAIN"):
                await uploaded(client, text(chats()) + " " * (600 << 10))
        assert len(list((house.runtime.settings.training / "files").iterdir())) == 1


async def test_a_file_that_takes_long_to_read_does_not_hold_up_the_gateway(
    trained: House, client: openai.AsyncOpenAI
) -> None:
    marks = "\u0301\u0327" * 15_000
    labels = "x" * 100_000
    rows = [chat(f"e{marks}", "{}"), *(chat("same", json.dumps({"category": labels})) for _ in range(70))]
    upload = asyncio.create_task(uploaded(client, text(rows)))
    slowest = 0.0
    while not upload.done():
        began = time.monotonic()
        assert (await trained.admin("GET", "/api/v1/adapters")).status_code == 200
        slowest = max(slowest, time.monotonic() - began)
    job = await created(client, training_file=(await upload).id)
    failed = await reached(client, job.id, "failed", "succeeded")
    assert failed.error is not None
    assert "line 2: the label has 100000 characters" in failed.error.message
    assert len(failed.error.message) <= 4000
    assert slowest < 5
