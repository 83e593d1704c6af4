"""Ends, limits, keys and refusals of ``/v1/messages``, as Anthropic's own client meets them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import anthropic
import pytest

from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import House, bearer, running_house, until
from tests.gateway.inference.formats.anthropic_calls import HELLO, WEATHER, anthropic_client, client_of, text_of
from tests.gateway.inference.formats.conftest import MODEL, REVIEW, Category, says


async def test_an_end_has_its_reason(firm: House) -> None:
    says(firm, "one two three four")
    async with await client_of(firm) as client:
        cut = await client.messages.create(model=MODEL, max_tokens=2, messages=HELLO)
        assert (text_of(cut), cut.stop_reason) == ("one ", "max_tokens")
        says(firm, "one", stop_reason="two")
        stopped = await client.messages.create(model=MODEL, max_tokens=9, messages=HELLO, stop_sequences=["two"])
        assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "two")


@pytest.mark.parametrize(("window", "sent"), [(None, 4096), (8192, 4096), (4096, None)])
async def test_the_high_limit_that_clients_send_by_default_becomes_what_may_be(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str], window: int | None, sent: int | None
) -> None:
    more: dict[str, Any] = {"max_model_len": window} if window else {}
    async with running_house(tmp_path, *engine_at, **more) as house, await client_of(house) as client:
        await client.messages.create(model=MODEL, max_tokens=16384, messages=HELLO)
        assert house.engine.requests[-1].get("max_tokens") == sent
        await client.messages.create(model=MODEL, max_tokens=2048, messages=HELLO)
        assert house.engine.requests[-1]["max_tokens"] == 2048


async def test_arguments_that_are_no_object_are_an_error(firm: House) -> None:
    called = {"id": "call_0f", "type": "function", "function": {"name": "weather", "arguments": "Bern"}}
    says(firm, "", finish_reason="tool_calls", beside={"content": None, "tool_calls": [called]})
    async with await client_of(firm) as client:
        with pytest.raises(anthropic.InternalServerError, match="no JSON object"):
            await client.messages.create(model="base", max_tokens=64, messages=HELLO, tools=[WEATHER])


async def test_an_unsure_answer_is_held_for_review_and_says_so(firm: House) -> None:
    says(firm, "something else")
    async with await client_of(firm, REVIEW) as client:
        raw = await client.messages.with_raw_response.create(model=MODEL, max_tokens=64, messages=HELLO)
        assert text_of(await raw.parse()) == "a person looks at it"
        assert raw.headers["x-postil-fallback"].startswith("review (labels")
        assert raw.headers["x-postil-release"] == f"{MODEL}@1"
        review = raw.headers["x-postil-review"]
        async with client.messages.stream(model=MODEL, max_tokens=64, messages=HELLO) as stream:
            assert text_of(await stream.get_final_message()) == "a person looks at it"
    shown = (await firm.admin("GET", f"/api/v1/reviews/{review}")).json()
    assert shown["request"]["messages"] == HELLO


async def test_a_label_adapter_is_asked_in_the_default_modes_of_frameworks(house: House, clinic: str) -> None:
    schema = {"type": "object", "properties": {"category": {"type": "string"}}, "required": ["category"]}
    tools: Any = [{"name": "final_result", "input_schema": schema}]
    asked: Any = {"model": "healthcare/triage", "max_tokens": 64, "messages": HELLO}
    wanted: Any = {"tools": tools, "tool_choice": {"type": "any"}}
    async with anthropic_client(house, clinic) as client:
        parsed = await client.messages.parse(**asked, output_format=Category)
        assert parsed.parsed_output == Category(category="symptoms")
        whole = await client.messages.create(**asked, **wanted)
        async with client.messages.stream(**asked, **wanted) as stream:
            streamed = await stream.get_final_message()
    messages: list[Any] = [whole, streamed]
    for message in messages:
        (block,) = message.content
        assert block.type == "tool_use"
        assert (message.stop_reason, block.name, block.input) == ("tool_use", "final_result", {"category": "symptoms"})


@pytest.mark.parametrize("header", ["x-api-key", "authorization"])
async def test_a_key_is_taken_in_either_header(house: House, clinic: str, header: str) -> None:
    value = clinic if header == "x-api-key" else f"Bearer {clinic}"
    body = {"model": "healthcare/triage", "max_tokens": 64, "messages": HELLO}
    headers = {header: value, "anthropic-version": "2023-06-01"}
    answer = await house.client.post("/v1/messages", headers=headers, json=body)
    assert answer.status_code == 200
    assert answer.json()["content"] == [{"type": "text", "text": '{"category": "symptoms"}'}]
    elsewhere = await house.client.post("/v1/chat/completions", headers={"x-api-key": clinic}, json=body)
    assert elsewhere.status_code == 401


async def test_a_key_in_its_own_header_counts_as_that_key(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> None:
    async with running_house(tmp_path, *engine_at, tenant_connections=1) as house, await client_of(house) as client:
        house.engine.gate.clear()
        first = asyncio.create_task(client.messages.create(model=MODEL, max_tokens=64, messages=HELLO))
        await until(lambda: len(house.engine.requests) == 1)
        with pytest.raises(anthropic.RateLimitError, match="which is as many as may"):
            await client.messages.create(model=MODEL, max_tokens=64, messages=HELLO)
        house.engine.gate.set()
        assert text_of(await first)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("container", "c", "`container` is not taken here"),
        ("mcp_servers", [{}], "send `tools`"),
        ("tools", [{"type": "web_search_20250305", "name": "web_search"}], "Anthropic's own tools"),
        ("tools", [{"name": "a"}], "an object as `input_schema`"),
        ("tool_choice", "auto", "tool_choice has to be"),
        ("tool_choice", {"type": "tool"}, "tool_choice has to be"),
        ("tool_choice", {"type": "auto", "disable_parallel_tool_use": 1}, "tool_choice has to be"),
        ("temprature", 1, "did you mean `temperature`?"),
        ("max_tokens", None, "max_tokens is required"),
        ("max_tokens", 0, "max_tokens has to be"),
        ("stop_sequences", ["a"], "`stop_sequences` could undo"),
        ("thinking", {"type": "loud"}, "thinking has to be"),
        ("output_config", {"format": {"type": "xml"}}, "output_config has to be"),
        ("system", [{"type": "image"}], "system has to be"),
        ("messages", [], "messages has to be"),
        ("messages", [{"role": "tool", "content": "x"}], "messages[0] has to have one of the roles"),
        ("messages", [{"role": "user", "content": 7}], "messages[0] has to have a string"),
        ("messages", [{"role": "user", "content": [{"type": "image"}]}], "send texts"),
        ("messages", [{"role": "user", "content": [{"type": "tool_use"}]}], "a block that is not taken"),
        ("messages", [{"role": "user", "content": ["x"]}], "a block that is not taken"),
        ("messages", [{"role": "user", "content": [{"type": "tool_result", "content": "x"}]}], "the id of a call"),
        (
            "messages",
            [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": 7}]}],
            "a block that is not taken",
        ),
        ("messages", [{"role": "assistant", "content": [{"type": "tool_use", "id": "a"}]}], "an object as `input`"),
        ("messages", [*HELLO, {"role": "assistant", "content": "Well"}], "end with the user's message"),
    ],
)
async def test_what_cannot_be_is_refused_in_the_apis_shape(
    house: House, clinic: str, field: str, value: Any, said: str
) -> None:
    body = {"model": "healthcare/triage", "max_tokens": 64, "messages": HELLO, field: value}
    answer = await house.client.post("/v1/messages", headers=bearer(clinic), json=body)
    told = answer.json()
    assert (answer.status_code, told["type"], told["error"]["type"]) == (400, "error", "invalid_request_error")
    assert said in told["error"]["message"]
    assert set(told) == {"type", "error"}
    assert set(told["error"]) == {"type", "message"}
    assert house.engine.requests == []


async def test_errors_have_the_apis_shape(house: House, clinic: str) -> None:
    async with anthropic_client(house, clinic) as client:
        with pytest.raises(anthropic.NotFoundError, match="not_found_error"):
            await client.messages.create(model="healthcare/none", max_tokens=9, messages=HELLO)
        with pytest.raises(anthropic.AuthenticationError, match="authentication_error"):
            await client.with_options(api_key="x").messages.create(model="base", max_tokens=9, messages=HELLO)
        house.engine.refuses = lambda body: "it is too long"
        with pytest.raises(anthropic.BadRequestError, match="it is too long") as caught:
            await client.messages.create(model="base", max_tokens=9, messages=HELLO)
    told = {"type": "invalid_request_error", "message": "it is too long"}
    assert caught.value.body == {"type": "error", "error": told}
    answer = await house.client.get("/v1/messages", headers=bearer(clinic))
    assert (answer.status_code, answer.json()["error"]["message"]) == (405, "/v1/messages takes POST")


async def test_tokens_of_what_the_client_sends_are_counted_and_not_the_policys(house: House, clinic: str) -> None:
    async with anthropic_client(house, clinic) as client:
        with pytest.raises(anthropic.BadRequestError, match="has no /tokenize"):
            await client.messages.count_tokens(model="healthcare/triage", messages=HELLO)
        asked: list[Any] = []

        def template(body: dict[str, Any]) -> list[int]:
            asked.append(body)
            return [*range(7)]

        house.engine.template = template
        counted = await client.messages.count_tokens(
            model="healthcare/triage", messages=HELLO, system="Be kind.", tools=[WEATHER]
        )
        assert counted.input_tokens == 7
        assert asked[-1]["messages"] == [{"role": "system", "content": "Be kind."}, *HELLO]
        assert asked[-1]["tools"][0]["function"]["name"] == "weather"
        with pytest.raises(anthropic.NotFoundError, match="not_found_error"):
            await client.messages.count_tokens(model="healthcare/none", messages=HELLO)
        with pytest.raises(anthropic.BadRequestError, match="not a field of /v1/messages/count_tokens"):
            await client.messages.count_tokens(model="base", messages=HELLO, extra_body={"what": 1})
    assert house.engine.requests == []


@pytest.mark.parametrize(
    ("path", "body", "events"),
    [
        ("/v1/messages", {"max_tokens": 64, "messages": HELLO}, ["message_start", "ping", "error"]),
        ("/v1/responses", {"input": "x"}, ["response.created", "response.in_progress", "response.failed"]),
    ],
)
async def test_an_error_that_comes_after_a_held_stream_began_is_one_of_the_apis_events(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str], path: str, body: dict[str, Any], events: list[str]
) -> None:
    async with running_house(tmp_path, *engine_at, stream_comment_seconds=0.02) as house:
        await house.publish(MODEL, REVIEW.partition("fallback")[0])
        key = await house.tenant("firm", "legal")
        says(house, "something else")
        house.engine.gate.clear()
        text, asked = "", {**body, "model": MODEL, "stream": True}
        async with house.client.stream("POST", path, headers=bearer(key), json=asked) as answer:
            async for chunk in answer.aiter_text():
                text += chunk
                house.engine.gate.set()
    lines = [line for line in text.splitlines() if line.startswith((":", "event: "))]
    assert lines[0] == ": keep-alive"
    assert [line.removeprefix("event: ") for line in lines if line[0] != ":"] == events
    assert "did not pass `labels`" in text


async def test_results_of_tools_are_messages_that_are_counted(house: House, clinic: str) -> None:
    result = {"type": "tool_result", "tool_use_id": "a", "content": "x"}
    for count, said in ((2047, None), (2048, "messages has more than 2048 messages, calls and results; send fewer")):
        messages = [*HELLO, {"role": "user", "content": [result] * count}]
        body = {"model": "base", "max_tokens": 64, "messages": messages}
        answer = await house.client.post("/v1/messages", headers=bearer(clinic), json=body)
        assert answer.json().get("error", {}).get("message") == said
    assert len(house.engine.requests) == 1
