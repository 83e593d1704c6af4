"""Streams of ``/v1/responses``, read by OpenAI's own client."""

from __future__ import annotations

import json

from tests.fakes.sse import INSIDE, Said, call, engine_stream
from tests.gateway.conftest import House
from tests.gateway.inference.formats.conftest import MODEL, REPLACE, STOP, Category, says
from tests.gateway.inference.formats.openai_calls import WEATHER, client_of, streamed


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
