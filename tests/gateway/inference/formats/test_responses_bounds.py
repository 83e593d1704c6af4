"""Reviews, labels and refusals of ``/v1/responses``, as OpenAI's own client meets them."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.responses import FunctionToolParam

from tests.gateway.conftest import House, bearer
from tests.gateway.inference.formats.conftest import MODEL, REVIEW, Category, says
from tests.gateway.inference.formats.openai_calls import client_of, streamed


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
