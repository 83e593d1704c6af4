"""What OpenAI and vLLM have and is not here says so: no client takes it for a missing model."""

from __future__ import annotations

import itertools

import openai
import pytest

from tests.gateway.conftest import House, bearer

ELSEWHERE = [
    "/v1/images/generations", "/v1/images/edits", "/v1/audio/speech", "/v1/audio/transcriptions", "/v1/moderations",
    "/v1/rerank", "/v1/score", "/v1/pooling", "/v1/classify", "/v1/batches", "/v1/uploads",
    "/v1/fine_tuning/alpha/graders/run",
    "/v1/assistants", "/v1/threads/runs", "/v1/vector_stores", "/v1/realtime", "/v1/realtime/sessions",
    "/v1/files/file-1/copies", "/v1/evals", "/v1/containers", "/v1/conversations", "/v1/videos", "/v1/complete",
    "/v1/engines/davinci/completions", "/v1/edits", "/v1/load_lora_adapter", "/v1/unload_lora_adapter",
    "/v1/chat/completions/chatcmpl-1", "/v1/responses/resp_1/cancel", "/v1/messages/batches", "/v1/search",
    "/v1/chat/completions/batch", "/v1/completions/render", "/score", "/rerank", "/v2/rerank", "/v2/embed", "/pooling",
    "/classify", "/invocations", "/inference/v1/generate", "/generate", "/tokenizer_info", "/generative_scoring",
]  # fmt: skip


async def test_an_endpoint_that_is_elsewhere_is_said_to_be_unsupported(house: House) -> None:
    for method, path in itertools.product(["GET", "POST", "DELETE"], ELSEWHERE):
        json = {"model": "healthcare"} if method == "POST" else None
        answer = await house.client.request(method, path, headers=bearer(house.admin_key), json=json)
        assert answer.status_code == 400, (method, path)
        error = answer.json()["error"]
        assert error["type"] == "invalid_request_error"
        if not path.startswith("/v1/messages"):  # Anthropic's errors have neither.
            assert (error["param"], error["code"]) == (None, "unsupported_endpoint"), (method, path)
        assert "not served here" in error["message"]
        assert "model" not in error["message"].replace("/v1/models", "")


async def test_the_sentence_names_what_is_there(house: House) -> None:
    message = (await house.client.post("/v1/images/generations", json={})).json()["error"]["message"]
    there = message.removeprefix("this part of /v1/images is not served here; there are ").split(", ")
    assert there == [
        "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages", "/v1/embeddings", "/v1/files",
        "/v1/fine_tuning/jobs", "/v1/models", "/tokenize", "/detokenize",
    ]  # fmt: skip
    for path in there:
        answer = await house.client.get(path, headers=bearer(house.admin_key))
        read = path in ("/v1/models", "/v1/files", "/v1/fine_tuning/jobs")
        assert answer.status_code == (200 if read else 405), path
    adapter = (await house.client.post("/v1/load_lora_adapter", json={})).json()["error"]["message"]
    assert adapter.endswith("adapters are published with `postil publish`")


async def test_openais_client_finds_a_bad_request_and_no_missing_model(house: House) -> None:
    async with openai.AsyncOpenAI(base_url=f"{house.url}/v1", api_key=house.admin_key, max_retries=0) as client:
        with pytest.raises(openai.BadRequestError) as refused:
            await client.images.generate(prompt="a cat")
        assert refused.value.code == "unsupported_endpoint"
        with pytest.raises(openai.BadRequestError):
            await client.moderations.create(input="a cat")


async def test_any_other_path_is_a_404_in_openais_shape_and_in_the_admin_api_in_its_own(house: House) -> None:
    for path in ("/v1/nothing", "/v1", "/chat/completions", "/nothing", "/"):
        answer = await house.client.post(path, headers=bearer(house.admin_key), json={})
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json"), path
        error = answer.json()["error"]
        assert (error["code"], error["param"]) == ("unknown_url", None)
        assert "/v1" in error["message"]
    for path in ("/api/v1/nothing", "/api/v2/adapters", "/health/nothing"):
        answer = await house.client.get(path, headers=bearer(house.admin_key))
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json"), path
