"""``/v1/embeddings``: routed, bounded, counted and charged as completions, where the engine serves them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import House, bearer, running_house, until

WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({}, "missing_required_parameter", "input"),
    ({"input": ""}, "invalid_value", "input"),
    ({"input": []}, "invalid_value", "input"),
    ({"input": ["a"] * 9}, "invalid_value", "input"),
    ({"input": "x" * (2048 * 16 + 1)}, "context_length_exceeded", "input"),
    ({"input": "a", "encoding_format": "bytes"}, "invalid_value", "encoding_format"),
    ({"input": "a", "truncate_prompt_tokens": 3}, "unsupported_parameter", "truncate_prompt_tokens"),
    ({"messages": [], "input": "a"}, "unsupported_parameter", "messages"),
    ({"input": "a", "temperature": 1}, "unknown_parameter", "temperature"),
]  # fmt: skip


@pytest.fixture
async def house(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> AsyncIterator[House]:
    """A gateway that knows its engine's context."""
    async with running_house(tmp_path, *engine_at, max_model_len=2048) as running:
        yield running


@pytest.fixture
async def embedding(house: House) -> str:
    """The key of a tenant that may ask a plain adapter, at an engine that embeds."""
    house.engine.embeds = True
    await house.publish("legal/search", None, seed=1)
    await house.publish("healthcare/triage", seed=2)
    return await house.tenant("firm", "legal", "healthcare")


async def embed(house: House, key: str, **body: Any) -> httpx.Response:
    return await house.client.post("/v1/embeddings", headers=bearer(key), json=body)


async def test_texts_and_tokens_are_embedded_by_the_base(house: House, embedding: str) -> None:
    given: list[tuple[Any, int]] = [("a text", 1), (["a", "b", "c"], 3), ([1, 2, 3], 1), ([[1, 2], [3]], 2)]
    for text, count in given:
        answer = await embed(house, embedding, model="base", input=text)
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["data"]) == count
        assert answer.headers["x-postil-release"] == answer.json()["model"] == "base"
        asked = house.engine.requests.pop()
        assert asked["input"] == text
        assert asked.keys() == {"model", "input", "cache_salt"}


async def test_an_adapter_without_a_policy_embeds_under_its_own_name(house: House, embedding: str) -> None:
    answer = await embed(house, embedding, model="legal", input="a text", dimensions=2, user="ann")
    assert (answer.status_code, answer.json()["model"]) == (200, "legal/search")
    assert answer.headers["x-postil-release"] == "legal/search@1"
    (asked,) = house.engine.requests
    assert asked["model"].startswith("postil-")
    assert "user" not in asked


async def test_an_adapter_with_a_policy_embeds_nothing(house: House, embedding: str) -> None:
    answer = await embed(house, embedding, model="healthcare", input="a text")
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, "model")
    assert error["message"] == "healthcare/triage@1 answers by a policy, which judges no embeddings; ask `base`"
    assert not house.engine.requests


async def test_openais_client_embeds(house: House, embedding: str) -> None:
    async with openai.AsyncOpenAI(base_url=f"{house.url}/v1", api_key=embedding) as client:
        made = await client.embeddings.create(model="base", input=["a", "b"], encoding_format="float")
    assert [each.embedding for each in made.data] == [[0.5, -0.5]] * 2
    assert made.usage.prompt_tokens == 6


async def test_embeddings_are_counted_and_charged(house: House, embedding: str) -> None:
    await house.admin("PUT", "/api/v1/tenants/firm/limits", json={"tokens_per_minute": 9})
    assert (await embed(house, embedding, model="base", input=["a", "b"])).status_code == 200
    assert (await embed(house, embedding, model="legal", input="a")).status_code == 200
    refused = await embed(house, embedding, model="base", input="a")
    assert (refused.status_code, refused.json()["error"]["type"]) == (429, "tokens")
    await house.runtime.ledger.flush()
    used = (await house.client.get("/v1/usage", headers=bearer(embedding))).json()
    assert sum(row["prompt_tokens"] for row in used["data"]) == 9
    assert sum(row["completion_tokens"] for row in used["data"]) == 0


async def test_what_is_wrong_or_too_much_is_refused_before_the_engine_sees_it(house: House, embedding: str) -> None:
    for body, code, param in WRONG:
        answer = await embed(house, embedding, model="base", **body)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (400, code, param), error
    assert not house.engine.requests


async def test_an_engine_that_generates_says_that_it_embeds_nothing(house: House, clinic: str) -> None:
    answer = await embed(house, clinic, model="base", input="a text")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "unsupported_endpoint")
    assert "/v1/chat/completions" in error["message"]


async def test_an_engines_refusal_is_openais(house: House, embedding: str) -> None:
    house.engine.refuses = lambda body: "The decoder prompt cannot be empty"
    for model in ("base", "legal"):
        error = (await embed(house, embedding, model=model, input="a text")).json()["error"]
        assert (error["message"], error["param"]) == ("the prompt is empty; send a text", "input")


async def test_weights_that_the_engine_lost_are_loaded_again_for_the_next_request(house: House, embedding: str) -> None:
    assert (await embed(house, embedding, model="legal", input="a")).status_code == 200
    house.engine.adapters.clear()
    lost = await embed(house, embedding, model="legal", input="a")
    assert (lost.status_code, lost.json()["error"]["code"]) == (503, "engine_unavailable")
    assert (await embed(house, embedding, model="legal", input="a")).status_code == 200


async def test_a_client_that_leaves_frees_its_slot_and_is_charged(house: House, embedding: str) -> None:
    house.engine.gate.clear()
    asking = asyncio.create_task(embed(house, embedding, model="base", input="a"))
    await until(lambda: bool(house.engine.requests))
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await until(lambda: house.engine.cancelled == 1)
    await until(lambda: house.runtime.scheduler.queue.running == 0)


async def test_a_queue_is_waited_in(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> None:
    async with running_house(tmp_path, *engine_at, max_concurrent_requests=1) as house:
        house.engine.embeds = True
        house.engine.gate.clear()
        key = await house.tenant("firm", "legal")
        both = [asyncio.create_task(embed(house, key, model="base", input=text)) for text in ("a", "b")]
        await until(lambda: house.runtime.scheduler.queue.waiting == 1)
        house.engine.gate.set()
        assert {answer.status_code for answer in await asyncio.gather(*both)} == {200}
