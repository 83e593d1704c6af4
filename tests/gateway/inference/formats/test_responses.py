"""``/v1/responses`` as OpenAI's own client, unmodified, meets it: whole answers over real HTTP."""

from __future__ import annotations

from typing import Any

from openai.types.responses import ResponseInputParam

from postil.gateway.inference.formats.openai_responses.answer import ResponseObject
from tests.fakes.vllm import Reply
from tests.gateway.conftest import House, bearer
from tests.gateway.inference.formats.conftest import MODEL, Category, says
from tests.gateway.inference.formats.openai_calls import WEATHER, client_of

CALLED = {"id": "call_0f", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bern"}'}}


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


async def test_the_response_echoes_what_was_taken_and_nothing_else(house: House, clinic: str) -> None:
    schema = {"type": "object", "properties": {"category": {"type": "string"}}, "required": ["category"]}
    function = {"type": "function", "name": "sort", "parameters": schema, "strict": True}
    form = {"type": "json_schema", "name": "a", "schema": schema}
    much = {"unknown": "x" * 4096}
    choice = {"type": "function", "name": "sort"}
    body = {
        "model": "healthcare/triage", "input": "hello", "tools": [{**function, **much}],
        "text": {"format": {**form, **much}}, "tool_choice": {**choice, **much},
    }  # fmt: skip
    response = (await house.client.post("/v1/responses", headers=bearer(clinic), json=body)).json()
    assert response["tools"] == [function]
    assert response["text"] == {"format": form}
    assert response["tool_choice"] == choice
    streamed = await house.client.post("/v1/responses", headers=bearer(clinic), json={**body, "stream": True})
    assert streamed.text.count('"tools":[{"type":"function"') == 3
    assert "xxxx" not in streamed.text
    plain = {"model": "base", "input": "hello", "text": {"format": {"type": "json_object", **much}}}
    response = (await house.client.post("/v1/responses", headers=bearer(clinic), json=plain)).json()
    assert response["text"] == {"format": {"type": "json_object"}}


async def test_tokens_of_thoughts_are_counted_where_the_engine_does(firm: House) -> None:
    details = {"completion_tokens_details": {"reasoning_tokens": 3}}
    used = {"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9, **details}
    told = ResponseObject({}).ended([], "stop", used)["usage"]
    assert told["output_tokens_details"] == {"reasoning_tokens": 3}
    assert ResponseObject({}).ended([], "stop", {})["usage"]["output_tokens_details"] == {"reasoning_tokens": 0}
