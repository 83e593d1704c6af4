"""``/tokenize`` and ``/detokenize``: as vLLM has them, and without a way to a policy's prompt or at others' cost."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import House, bearer, running_house, until

BOTH = ["/tokenize", "/v1/tokenize"]

WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("/tokenize", {}, "missing_required_parameter", "prompt"),
    ("/tokenize", {"messages": []}, "invalid_value", "messages"),
    ("/tokenize", {"prompt": "x", "messages": [{"role": "user", "content": "y"}]}, "missing_required_parameter",
     "prompt"),
    ("/tokenize", {"prompt": ["x"]}, "invalid_value", "prompt"),
    ("/tokenize", {"messages": [{"role": "human", "content": "x"}]}, "invalid_value", "messages"),
    ("/tokenize", {"messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "http://a/b"}}]}]}, "invalid_value", "messages"),
    ("/tokenize", {"messages": [{"role": "user", "content": "x"}], "tools": [{}]}, "invalid_value", "tools"),
    ("/tokenize", {"prompt": "x", "chat_template": "{{ 1 }}"}, "unsupported_parameter", "chat_template"),
    ("/tokenize", {"prompt": "x", "add_special_token": True}, "unknown_parameter", "add_special_token"),
    ("/tokenize", {"prompt": "x", "nonsense": 1}, "unknown_parameter", "nonsense"),
    ("/tokenize", {"prompt": "x" * (2048 * 16 + 1)}, "context_length_exceeded", "prompt"),
    ("/detokenize", {"tokens": "1 2"}, "invalid_value", "tokens"),
    ("/detokenize", {"tokens": [-1]}, "invalid_value", "tokens"),
    ("/detokenize", {"tokens": [1] * 2049}, "context_length_exceeded", "tokens"),
    ("/detokenize", {}, "missing_required_parameter", "tokens"),
]  # fmt: skip


@pytest.fixture
async def house(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> AsyncIterator[House]:
    """A gateway that knows its engine's context."""
    async with running_house(tmp_path, *engine_at, max_model_len=2048) as running:
        yield running


@pytest.fixture
async def counting(house: House, clinic: str) -> str:
    """The key of a tenant, at an engine that tells tokens: two for each message."""
    house.engine.template = lambda body: list(range(2 * len(body["messages"])))
    house.engine.tokenized.clear()
    return clinic


async def post(house: House, key: str, path: str, **body: Any) -> httpx.Response:
    return await house.client.post(path, headers=bearer(key), json=body)


async def test_a_text_is_tokenized_by_the_base_of_every_adapter(house: House, counting: str) -> None:
    body = {"prompt": "my head hurts a lot", "add_special_tokens": False}
    for path, model in itertools.product(BOTH, ["base", "healthcare", "healthcare/triage@1", None]):
        answer = await post(house, counting, path, model=model, **body)
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"count": 4, "max_model_len": 2048, "tokens": [0, 1, 2, 3], "token_strs": None}
        assert house.engine.tokenized.pop() == {"model": "base", **body}


async def test_a_chat_is_counted_without_the_policys_prompt(house: House, counting: str) -> None:
    chat = [{"role": "user", "content": "my head hurts"}]
    for model in ("base", "healthcare"):
        assert (await post(house, counting, "/tokenize", model=model, messages=chat)).json()["count"] == 2
    assert [asked["messages"] for asked in house.engine.tokenized] == [chat, chat]
    assert "Sort the message" not in str(house.engine.tokenized)


async def test_tokens_become_text(house: House, counting: str) -> None:
    for path in ("/detokenize", "/v1/detokenize"):
        answer = await post(house, counting, path, model="healthcare", tokens=[1, 2])
        assert (answer.status_code, answer.json()) == (200, {"prompt": "1 2"})
        wrong = (await post(house, counting, path, tokens=[2**31 - 1])).json()["error"]
        assert (wrong["code"], wrong["message"]) == ("invalid_value", "Token id 2147483647 is out of vocabulary")


async def test_what_is_wrong_or_too_much_is_refused_before_the_engine_sees_it(house: House, counting: str) -> None:
    for path, body, code, param in WRONG:
        answer = await post(house, counting, path, **body)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (400, code, param), error
    assert not house.engine.tokenized


async def test_nobody_learns_of_models_that_are_not_theirs(house: House, counting: str) -> None:
    bank = await house.tenant("bank", "finance", rights=())
    for model, status, code in (
        ("healthcare", 404, "model_not_found"),
        ("base", 403, "model_forbidden"),
        ("nothing", 404, "model_not_found"),
    ):
        answer = await post(house, bank, "/tokenize", model=model, prompt="x")
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert (await house.client.post("/tokenize", json={"prompt": "x"})).status_code == 401
    assert not house.engine.tokenized


async def test_it_counts_as_a_request_of_the_tenant(house: House, counting: str) -> None:
    await house.admin("PUT", "/api/v1/tenants/clinic/limits", json={"requests_per_minute": 2})
    answers = [await post(house, counting, "/tokenize", prompt="x") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["error"]["code"] == "rate_limit_exceeded"
    assert int(answers[2].headers["retry-after"]) > 0


async def test_a_tenant_with_many_texts_holds_up_nobody_else(house: House, counting: str) -> None:
    house.engine.gate.clear()
    bank = await house.tenant("bank", "finance")
    many = [asyncio.create_task(post(house, counting, "/tokenize", prompt=f"long {number}")) for number in range(8)]
    await until(lambda: len(house.engine.tokenized) == 1)
    other = asyncio.create_task(post(house, bank, "/tokenize", prompt="short"))
    await until(lambda: "short" in [asked["prompt"] for asked in house.engine.tokenized])
    assert len(house.engine.tokenized) == 2
    house.engine.gate.set()
    assert {answer.status_code for answer in await asyncio.gather(other, *many)} == {200}


async def test_an_engine_without_tokens_says_so(house: House, clinic: str) -> None:
    answer = await post(house, clinic, "/tokenize", prompt="x")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unsupported_endpoint")


async def test_only_post_is_taken(house: House, counting: str) -> None:
    answer = await house.client.get("/tokenize", headers=bearer(counting))
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")
