"""What a request costs the engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from postil.gateway.errors import BadRequestError
from postil.gateway.inference.cost import choices_per_prompt, cost
from postil.gateway.inference.formats import Kind
from postil.gateway.inference.request import CompletionRequest, parse
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import FREE_TEXT, House, bearer, running_house


def asked(kind: Kind, body: dict[str, Any]) -> CompletionRequest:
    return CompletionRequest(kind, body, None, False, False)


@pytest.mark.parametrize(
    ("kind", "body", "sequences", "choices"),
    [
        (Kind.CHAT, {}, 1, None),
        (Kind.CHAT, {"n": 3}, 3, 3),
        (Kind.CHAT, {"n": 0}, 1, None),
        (Kind.CHAT, {"n": -5}, 1, None),
        (Kind.CHAT, {"n": None}, 1, None),
        (Kind.TEXT, {"prompt": ["a", "b"]}, 2, 1),
        (Kind.TEXT, {"prompt": ["a", "b"], "n": 3}, 6, 3),
        (Kind.TEXT, {"prompt": "a", "n": 2, "best_of": 5}, 5, 2),
        (Kind.TEXT, {"prompt": []}, 1, None),
    ],
)
def test_a_request_costs_its_prompts_times_its_choices(
    kind: Kind, body: dict[str, Any], sequences: int, choices: int | None
) -> None:
    assert cost(kind, body).sequences == sequences
    assert choices_per_prompt(asked(kind, body)) == choices


@pytest.mark.parametrize("value", ["2", 2.0, True, [2]])
def test_a_number_that_an_engine_might_read_and_nobody_here_counts_is_refused(value: object) -> None:
    body = {"messages": [{"role": "user", "content": "a"}], "n": value}
    with pytest.raises(BadRequestError, match="n has to be a whole number"):
        parse(Kind.CHAT, json.dumps(body).encode())


At = tuple[FakeVLLM, str]


async def test_a_prompt_that_cannot_fit_is_refused_before_anything_reads_it(tmp_path: Path, engine_at: At) -> None:
    async with running_house(tmp_path, *engine_at, max_model_len=2048) as house:
        await house.publish("healthcare/triage")
        key = await house.tenant("clinic", "healthcare")
        engine = house.engine
        refused = await house.ask(key, "\ufdfa" * 2_400_000)
        assert refused.status_code == 400
        error = refused.json()["error"]
        assert (error["code"], error["param"]) == ("context_length_exceeded", "messages")
        assert "32768" in error["message"]
        assert "2048 tokens" in error["message"]
        tokens = {"model": "base", "prompt": [1] * 40_000}
        asked = await house.client.post("/v1/completions", headers=bearer(key), json=tokens)
        assert (asked.status_code, asked.json()["error"]["param"]) == (400, "prompt")
        assert engine.requests == []
        assert (await house.ask(key, "a" * 30_000)).status_code == 200


async def test_an_engine_of_ones_own_without_a_setting_is_taken_for_a_large_one(house: House) -> None:
    key = await house.tenant("clinic", "healthcare")
    assert (await house.ask(key, "a" * 100_000, model="base")).status_code == 200
    assert (await house.ask(key, "a" * 2_200_000, model="base")).status_code == 400


async def test_many_prompts_may_have_as_much_each(tmp_path: Path, engine_at: At) -> None:
    async with running_house(tmp_path, *engine_at, max_model_len=2048) as house:
        key = await house.tenant("clinic", "healthcare")
        for length, status in ((30_000, 200), (40_000, 400)):
            body = {"model": "base", "prompt": ["a" * length, "b" * length]}
            answer = await house.client.post("/v1/completions", headers=bearer(key), json=body)
            assert answer.status_code == status


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
async def test_an_answer_may_have_so_many_tokens(house: House, name: str) -> None:
    key = await house.tenant("clinic", "healthcare")
    long: dict[str, Any] = {name: 5000}
    refused = await house.ask(key, model="base", **long)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, name)
    assert house.engine.requests == []
    await house.admin("PUT", "/api/v1/tenants/clinic/limits", json={"output_tokens": 8192})
    assert (await house.ask(key, model="base", **long)).status_code == 200


async def test_a_policys_own_length_is_nobodys_to_refuse(house: House, clinic: str) -> None:
    assert (await house.ask(clinic, max_tokens=100_000)).status_code == 200
    assert house.engine.requests[-1]["max_tokens"] == 32


async def test_without_a_length_the_bound_is_put_in_where_the_engine_would_go_on(tmp_path: Path, engine_at: At) -> None:
    async with running_house(tmp_path, *engine_at, max_model_len=32_768) as house:
        await house.publish("healthcare/notes", FREE_TEXT + "\ndefaults: {max_tokens: 8000}")
        key = await house.tenant("clinic", "healthcare")
        await house.ask(key, model="base")
        assert house.engine.requests[-1]["max_tokens"] == 4096
        await house.ask(key, model="healthcare/notes")
        assert house.engine.requests[-1]["max_tokens"] == 4096
        await house.ask(key, model="base", max_tokens=7)
        assert house.engine.requests[-1]["max_tokens"] == 7


async def test_where_the_window_ends_first_nothing_is_put_in(tmp_path: Path, engine_at: At) -> None:
    async with running_house(tmp_path, *engine_at, max_model_len=2048) as house:
        await house.ask(await house.tenant("clinic", "healthcare"), model="base")
        assert "max_tokens" not in house.engine.requests[-1]


async def test_a_tenants_own_number_of_sequences_counts(house: House) -> None:
    key = await house.tenant("clinic", "healthcare")
    assert (await house.ask(key, model="base", n=9)).status_code == 400
    await house.admin("PUT", "/api/v1/tenants/clinic/limits", json={"sequences": 16})
    assert (await house.ask(key, model="base", n=9)).status_code == 200


async def test_a_new_tenant_may_have_four_requests_at_a_time(tmp_path: Path, engine_at: At) -> None:
    async with running_house(tmp_path, *engine_at, tenant_concurrent_requests=4) as house:
        await house.tenant("clinic", "healthcare")
        limits = (await house.admin("GET", "/api/v1/tenants/clinic/limits")).json()
        assert limits["concurrent"] == 4
        assert limits["output_tokens"] is None
