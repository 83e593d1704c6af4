"""``/v1/responses`` as OpenAI's own client, unmodified, meets it: real HTTP on both sides."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.responses import FunctionToolParam, Response, ResponseInputParam
from pydantic import BaseModel

from tests.fakes.sse import INSIDE, Said, call, engine_stream
from tests.fakes.vllm import FakeVLLM, Reply
from tests.gateway.conftest import FREE_TEXT, House, bearer, running_house
from tests.gateway.inference.streaming.test_guarded_http import Plugin

MODEL = "legal/notes"
STOP = "validators: [{name: ban, on_fail: stop, config: {phrase: bad}}]"
REPLACE = "validators: [{name: ban, on_fail: replace, replacement: I cannot say., config: {phrase: bad}}]"
REVIEW = """
output: {labels: [symptoms]}
validators: [{name: labels}]
fallback: [{name: review, config: {content: a person looks at it}}]
"""
WEATHER: FunctionToolParam = {
    "type": "function",
    "name": "weather",
    "description": "Tell the weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": False,
}
CALLED = {"id": "call_0f", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bern"}'}}


class Category(BaseModel):
    """What a label adapter answers."""

    category: str


@pytest.fixture
async def firm(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> AsyncIterator[House]:
    """A gateway with a validator that has a window."""
    async with running_house(tmp_path, *engine_at, plugins=[Plugin()]) as house:
        yield house


async def client_of(house: House, policy: str = FREE_TEXT) -> AsyncOpenAI:
    """OpenAI's client with the key of a tenant, which asks once."""
    await house.publish(MODEL, policy)
    key = await house.tenant("firm", "legal")
    return AsyncOpenAI(base_url=f"{house.url}/v1", api_key=key, max_retries=0)


def says(house: House, text: str, **more: Any) -> None:
    house.engine.reply = lambda body: Reply(text, **more)


async def test_a_text_is_answered_as_a_chat_is(firm: House) -> None:
    says(firm, "All is well.")
    async with await client_of(firm) as client:
        response = await client.responses.create(model=MODEL, instructions="Be kind.", input="How is it?")
    assert (response.output_text, response.status, response.model) == ("All is well.", "completed", MODEL)
    assert response.usage is not None
    assert response.usage.total_tokens == 3 + len(Reply("All is well.").pieces())
    assert response.to_dict()["store"] is False
    (asked,) = firm.engine.requests
    # The policy's prompt, and the client's own instructions, are one message of the system.
    assert asked["messages"] == [
        {"role": "system", "content": "Answer shortly.\n\nBe kind."},
        {"role": "user", "content": "How is it?"},
    ]


async def test_fields_that_clients_send_by_default_are_taken(firm: House) -> None:
    async with await client_of(firm) as client:
        response = await client.responses.create(
            model=MODEL,
            input=[{"role": "user", "content": [{"type": "input_text", "text": "hello"}]}],
            metadata={"run": "7"},
            parallel_tool_calls=False,
            truncation="disabled",
            include=["reasoning.encrypted_content"],
            reasoning={"effort": "low", "summary": "auto"},
            text={"format": {"type": "text"}, "verbosity": "low"},
            tool_choice="auto",
            tools=[],
            store=True,
            service_tier="auto",
            prompt_cache_key="k",
            max_output_tokens=64,
            temperature=0.5,
            top_p=0.9,
            user="ann",
            extra_body={"top_k": 5, "background": False, "previous_response_id": None},
        )
    assert (response.metadata, response.temperature, response.max_output_tokens) == ({"run": "7"}, 0.5, 64)
    (asked,) = firm.engine.requests
    sent = {"max_tokens": 64, "temperature": 0.5, "top_p": 0.9, "top_k": 5, "reasoning_effort": "low"}
    assert sent.items() <= asked.items()
    assert "tools" not in asked
    assert "tool_choice" not in asked


async def test_a_model_is_parsed_from_structured_output(firm: House) -> None:
    async with await client_of(firm) as client:
        parsed = await client.responses.parse(model="base", input="my head hurts", text_format=Category)
    assert parsed.output_parsed == Category(category="symptoms")
    form = firm.engine.requests[-1]["response_format"]
    assert (form["type"], form["json_schema"]["name"], form["json_schema"]["strict"]) == (
        "json_schema",
        "Category",
        True,
    )


async def test_a_tool_is_called_and_its_result_sent_back(firm: House) -> None:
    says(firm, "", finish_reason="tool_calls", beside={"content": None, "tool_calls": [CALLED]})
    history: ResponseInputParam = [{"role": "user", "content": "the weather in Bern?"}]
    async with await client_of(firm) as client:
        first = await client.responses.create(model="base", input=history, tools=[WEATHER], tool_choice="required")
        (item,) = first.output
        assert item.type == "function_call"
        assert (item.call_id, item.name, item.arguments) == ("call_0f", "weather", '{"city": "Bern"}')
        says(firm, "It rains.")
        output = {"type": "function_call_output", "call_id": item.call_id, "output": "rain"}
        history += [item.to_dict(), output]  # type: ignore[list-item]
        second = await client.responses.create(model="base", input=history, tools=[WEATHER])
    assert second.output_text == "It rains."
    first_asked, asked = firm.engine.requests
    assert first_asked["tool_choice"] == "required"
    assert [one["function"]["name"] for one in first_asked["tools"]] == ["weather"]
    assert asked["messages"][1:] == [
        {"role": "assistant", "content": None, "tool_calls": [CALLED]},
        {"role": "tool", "tool_call_id": "call_0f", "content": "rain"},
    ]


async def test_the_output_can_be_sent_back_as_it_came(firm: House) -> None:
    says(firm, "Good.", beside={"reasoning": "It went well."})
    async with await client_of(firm) as client:
        first = await client.responses.create(model="base", input="how was it?")
        history: Any = [{"role": "user", "content": "how was it?"}, *(item.to_dict() for item in first.output)]
        await client.responses.create(model="base", input=[*history, {"role": "user", "content": "and then?"}])
    assert [item.type for item in first.output] == ["reasoning", "message"]
    assert firm.engine.requests[-1]["messages"] == [
        {"role": "user", "content": "how was it?"},
        {"role": "assistant", "content": "Good.", "reasoning": "It went well."},
        {"role": "user", "content": "and then?"},
    ]


async def streamed(client: AsyncOpenAI, **more: Any) -> tuple[list[Any], Response]:
    """All events of a stream, and the response that the last one holds; the order of events is looked at."""
    stream = await client.responses.create(model=more.pop("model", MODEL), input="tell me", stream=True, **more)
    events: list[Any] = [event async for event in stream]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    opened: list[int] = []
    for event in events[2:-1]:
        if event.type == "response.output_item.added":
            assert event.output_index == len(opened)
            opened.append(event.output_index)
        assert event.output_index == opened[-1], "items come one after the other"
    return events, events[-1].response


async def test_a_stream_has_the_events_of_the_api(firm: House) -> None:
    said = engine_stream([(0, "so "), (0, "good")], usage=True)
    firm.engine.raw = lambda body: [one.replace(INSIDE.encode(), body["model"].encode()) for one in said]
    async with await client_of(firm) as client:
        events, response = await streamed(client)
        assert [event.type for event in events[2:]] == [
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
        assert (response.output_text, response.status, response.model) == ("so good", "completed", MODEL)
        assert response.usage is not None
        assert (response.usage.input_tokens, response.usage.output_tokens) == (3, 2)
        async with client.responses.stream(model=MODEL, input="tell me") as stream:
            assert (await stream.get_final_response()).output_text == "so good"


async def test_the_streaming_helper_parses_a_model(firm: House) -> None:
    firm.engine.raw = lambda body: engine_stream([(0, '{"category"'), (0, ': "billing"}')])
    async with (
        await client_of(firm) as client,
        client.responses.stream(model="base", input="my bill", text_format=Category) as stream,
    ):
        final = await stream.get_final_response()
    assert final.output_parsed == Category(category="billing")


async def test_tool_calls_are_streamed(firm: House) -> None:
    said: Said = [
        (0, "I look."),
        (0, call(0, "weather", "", "call_0f")),
        (0, call(0, arguments='{"city"')),
        (0, call(0, arguments=': "Bern"}')),
        (0, call(1, "weather", '{"city": "Basel"}', "call_1f")),
    ]
    firm.engine.raw = lambda body: engine_stream(said, finish="tool_calls")
    async with await client_of(firm) as client:
        events, response = await streamed(client, model="base", tools=[WEATHER])
        calls = response.output[1:]
        assert [one.type for one in response.output] == ["message", "function_call", "function_call"]
        assert response.output_text == "I look."
        assert [json.loads(one.arguments)["city"] for one in calls if one.type == "function_call"] == ["Bern", "Basel"]
        deltas = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
        assert deltas == ['{"city"', ': "Bern"}', '{"city": "Basel"}']
        async with client.responses.stream(model="base", input="tell me", tools=[WEATHER]) as stream:
            final = await stream.get_final_response()
        assert [one.type for one in final.output] == ["message", "function_call", "function_call"]


async def test_an_answer_that_a_check_replaces_midway_is_a_valid_stream(firm: House) -> None:
    said: Said = [(0, "so "), (0, "ba"), (0, "d it is"), (0, " and on")]
    firm.engine.raw = lambda body: engine_stream(said, usage=True)
    async with await client_of(firm, REPLACE) as client:
        events, response = await streamed(client)
    assert events[-1].type == "response.incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "content_filter"
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == response.output_text == "so I cannot say."
    assert response.to_dict()["postil"] == {"fallback": "replace (ban: forbidden)"}


async def test_a_call_that_a_check_stops_midway_comes_after_the_text(firm: House) -> None:
    said: Said = [
        (0, "I look it up"),
        (0, call(0, "weather", '{"city": "bad', "call_0f")),
        (0, call(0, arguments='"}')),
    ]
    firm.engine.raw = lambda body: engine_stream(said, finish="tool_calls")
    async with await client_of(firm, STOP) as client:
        events, response = await streamed(client, tools=[WEATHER])
    assert events[-1].type == "response.incomplete"
    assert response.output_text == "I look it up"
    assert [item.type for item in response.output][:1] == ["message"]
    assert "bad" not in response.to_json()


async def test_a_stream_that_breaks_off_fails(firm: House) -> None:
    firm.engine.raw = lambda body: engine_stream([(0, "so good")], done=False)[:-1]
    async with await client_of(firm) as client:
        events, response = await streamed(client)
        assert (events[-1].type, response.status) == ("response.failed", "failed")
        assert response.error is not None
        assert response.error.code == "server_error"
        assert "broke off" in response.error.message


async def test_an_answer_that_is_too_long_is_incomplete(firm: House) -> None:
    says(firm, "one two three four")
    async with await client_of(firm) as client:
        response = await client.responses.create(model=MODEL, input="count", max_output_tokens=2)
        assert (response.status, response.output_text) == ("incomplete", "one ")
        assert response.incomplete_details is not None
        assert response.incomplete_details.reason == "max_output_tokens"


async def test_an_unsure_answer_is_held_for_review_and_says_so(firm: House) -> None:
    says(firm, "something else")
    async with await client_of(firm, REVIEW) as client:
        raw = await client.responses.with_raw_response.create(model=MODEL, input="my head hurts")
        response = raw.parse()
        assert response.output_text == "a person looks at it"
        assert raw.headers["x-postil-fallback"].startswith("review (labels")
        review = raw.headers["x-postil-review"]
        assert raw.headers["x-postil-release"] == f"{MODEL}@1"
        stream = await client.responses.with_raw_response.create(model=MODEL, input="my head hurts", stream=True)
        assert "x-postil-review" in stream.headers
        events: list[Any] = [event async for event in stream.parse()]
        assert events[-1].response.output_text == "a person looks at it"
    shown = (await firm.admin("GET", f"/api/v1/reviews/{review}")).json()
    assert shown["request"]["messages"] == [{"role": "user", "content": "my head hurts"}]


async def test_label_answers_are_judged_and_counted_as_those_of_chats(house: House, clinic: str) -> None:
    async with AsyncOpenAI(base_url=f"{house.url}/v1", api_key=clinic, max_retries=0) as client:
        response = await client.responses.create(model="healthcare/triage", input="my head hurts")
        assert json.loads(response.output_text) == {"category": "symptoms"}
        says(house, '{"category": "symptoms"}', logprob=-3.0)
        unsure = await client.responses.create(model="healthcare/triage", input="my head hurts")
        assert json.loads(unsure.output_text) == {"category": "needs_review"}
    usage = (await house.client.get("/v1/usage", headers=bearer(clinic))).json()
    assert "healthcare/triage" in json.dumps(usage)


async def test_a_label_adapter_is_asked_in_the_default_modes_of_frameworks(house: House, clinic: str) -> None:
    tool: FunctionToolParam = {
        "type": "function",
        "name": "final_result",
        "parameters": {"type": "object", "properties": {"category": {"type": "string"}}, "required": ["category"]},
        "strict": False,
    }
    asked: Any = {"model": "healthcare/triage", "input": "my head hurts"}
    async with AsyncOpenAI(base_url=f"{house.url}/v1", api_key=clinic, max_retries=0) as client:
        parsed = await client.responses.parse(**asked, text_format=Category)
        assert parsed.output_parsed == Category(category="symptoms")
        whole = await client.responses.create(**asked, tools=[tool], tool_choice="required")
        async with client.responses.stream(**asked, tools=[tool], tool_choice="required") as stream:
            streamed = await stream.get_final_response()
    responses: list[Any] = [whole, streamed]
    for response in responses:
        (item,) = response.output
        assert item.type == "function_call"
        assert (item.name, json.loads(item.arguments)) == ("final_result", {"category": "symptoms"})


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("previous_response_id", "resp_1", "nothing is stored here"),
        ("conversation", "conv_1", "nothing is stored here"),
        ("background", True, "answers are not kept"),
        ("prompt", {"id": "pmpt_1"}, "no prompts are stored here"),
        ("top_logprobs", 3, "/v1/chat/completions"),
        ("include", ["message.output_text.logprobs"], "/v1/chat/completions"),
        ("tools", [{"type": "web_search"}], "hosted or custom tool"),
        ("tool_choice", {"type": "web_search_preview"}, "tool_choice has to be"),
        ("text", {"format": {"type": "grammar"}}, "text.format has to have one of the types"),
        ("text", {"format": {"type": "json_schema", "name": "a"}}, "an object as `schema`"),
        ("temprature", 1, "did you mean `temperature`?"),
        ("nothing_like_it", 1, "not a field of /v1/responses"),
        ("max_output_tokens", "many", "a whole number"),
        ("seed", "x", "seed has to be"),
        ("input", None, "input is required"),
        ("input", [], "input has to be"),
        ("input", [{"role": "robot", "content": "x"}], "input[0] has to have one of the roles"),
        ("input", [{"role": "user", "content": 7}], "input[0] has to have a string"),
        ("input", [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}], "send texts"),
        ("input", [{"role": "user", "content": [{"type": "input_text"}]}], "a part that is no text"),
        ("input", [{"type": "item_reference", "id": "msg_1"}], "send the item itself"),
        ("input", [{"type": "web_search_call"}], "not taken here"),
        ("input", [{"type": "function_call", "name": "a", "call_id": "b"}], "`arguments`, a string"),
        ("input", [{"type": "function_call", "name": "", "call_id": "b", "arguments": ""}], "a name and an id"),
        ("input", [{"type": "function_call_output", "output": "x"}], "the id of a call"),
        ("input", [{"type": "function_call", "name": "a", "call_id": "b", "arguments": "[" * 99}], "an entry of input"),
    ],
)
async def test_what_cannot_be_is_refused_by_its_name(
    house: House, clinic: str, field: str, value: Any, said: str
) -> None:
    body = {"model": "healthcare/triage", "input": "hello", field: value}
    answer = await house.client.post("/v1/responses", headers=bearer(clinic), json=body)
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert said in error["message"]
    assert error["type"] == "invalid_request_error"
    assert error["param"].partition(".")[0] == field
    assert house.engine.requests == []


async def test_what_a_release_refuses_is_told_in_the_apis_words(house: House, clinic: str) -> None:
    async with AsyncOpenAI(base_url=f"{house.url}/v1", api_key=clinic, max_retries=0) as client:
        with pytest.raises(openai.NotFoundError, match="does not exist"):
            await client.responses.create(model="healthcare/none", input="hello")
        with pytest.raises(openai.BadRequestError, match="`stop` could undo"):
            await client.responses.create(model="healthcare/triage", input="hello", extra_body={"stop": "a"})
        with pytest.raises(openai.AuthenticationError):
            await client.with_options(api_key="wrong").responses.create(model="healthcare/triage", input="hello")
        with pytest.raises(openai.BadRequestError, match="max_output_tokens is 100000"):
            await client.responses.create(model="base", max_output_tokens=100_000, input="hello")
        house.engine.refuses = lambda body: "it is too long"
        with pytest.raises(openai.BadRequestError, match="it is too long"):
            await client.responses.create(model="base", input="hello")


async def test_an_answer_that_is_none_is_an_error(firm: House) -> None:
    async with await client_of(firm) as client:
        firm.engine.odd = b'{"choices": [{"index": 0, "message": {"content": 7}}]}'
        with pytest.raises(openai.InternalServerError, match="cannot be read"):
            await client.responses.create(model="base", input="hello")
        firm.engine.raw = lambda body: [b'data: {"choices": [{"index": 0, "delta": {"content": 7}}]}\n\n']
        _, response = await streamed(client, model="base")
        assert response.status == "failed"


async def test_it_takes_post_alone(house: House, clinic: str) -> None:
    answer = await house.client.get("/v1/responses", headers=bearer(clinic))
    assert (answer.status_code, answer.json()["error"]["message"]) == (405, "/v1/responses takes POST")
