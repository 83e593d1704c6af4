"""``/v1/messages`` as Anthropic's own client, unmodified, meets it: whole answers over real HTTP."""

from __future__ import annotations

from typing import Any

from anthropic.types import MessageParam

from tests.fakes.sse import Said, engine_stream
from tests.fakes.vllm import Reply
from tests.gateway.conftest import House
from tests.gateway.inference.formats.anthropic_calls import HELLO, WEATHER, client_of, text_of
from tests.gateway.inference.formats.conftest import MODEL, Category, says

CALLED = {"id": "call_0f", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bern"}'}}


async def test_a_text_is_answered_as_a_chat_is(firm: House) -> None:
    says(firm, "All is well.")
    async with await client_of(firm) as client:
        message = await client.messages.create(
            model=MODEL,
            max_tokens=64,
            system=[{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}],
            messages=[{"role": "user", "content": [{"type": "text", "text": "How is it?"}]}],
        )
    assert (text_of(message), message.stop_reason, message.model) == ("All is well.", "end_turn", MODEL)
    assert (message.usage.input_tokens, message.usage.output_tokens) == (3, len(Reply("All is well.").pieces()))
    (asked,) = firm.engine.requests
    # The policy's prompt, and the client's own, are one message of the system.
    assert asked["messages"] == [
        {"role": "system", "content": "Answer shortly.\n\nBe kind."},
        {"role": "user", "content": "How is it?"},
    ]


async def test_fields_that_clients_send_by_default_are_taken(firm: House) -> None:
    async with await client_of(firm) as client:
        await client.messages.create(
            model=MODEL,
            max_tokens=64,
            messages=HELLO,
            metadata={"user_id": "ann"},
            stop_sequences=["end"],
            thinking={"type": "disabled"},
            service_tier="auto",
            tool_choice={"type": "auto", "disable_parallel_tool_use": True},
            tools=[],
            cache_control={"type": "ephemeral"},
            # Of these, newer clients send none by themselves.
            extra_body={"temperature": 0.5, "top_p": 0.9, "top_k": 5, "context_management": {"edits": []}},
        )
    (asked,) = firm.engine.requests
    sent = {"max_tokens": 64, "temperature": 0.5, "top_p": 0.9, "top_k": 5, "stop": ["end"]}
    assert sent.items() <= asked.items()
    assert "tool_choice" not in asked


async def test_a_model_is_parsed_from_structured_output(firm: House) -> None:
    async with await client_of(firm) as client:
        parsed = await client.messages.parse(model="base", max_tokens=64, messages=HELLO, output_format=Category)
    assert parsed.parsed_output == Category(category="symptoms")
    assert firm.engine.requests[-1]["response_format"]["json_schema"]["schema"]["required"] == ["category"]


async def test_a_tool_is_called_and_its_result_sent_back(firm: House) -> None:
    says(firm, "", finish_reason="tool_calls", beside={"content": "I look.", "tool_calls": [CALLED]})
    history: list[MessageParam] = [{"role": "user", "content": "the weather in Bern?"}]
    async with await client_of(firm) as client:
        first = await client.messages.create(
            model="base", max_tokens=64, messages=history, tools=[WEATHER], tool_choice={"type": "any"}
        )
        use = first.content[-1]
        assert first.stop_reason == "tool_use"
        assert use.type == "tool_use"
        assert (use.id, use.name, use.input) == ("call_0f", "weather", {"city": "Bern"})
        says(firm, "It rains.")
        history += [
            {"role": "assistant", "content": first.content},
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": use.id, "content": [{"type": "text", "text": "rain"}]},
                    {"type": "text", "text": "and?"},
                ],
            },
        ]
        second = await client.messages.create(model="base", max_tokens=64, messages=history, tools=[WEATHER])
    assert text_of(second) == "It rains."
    first_asked, asked = firm.engine.requests
    assert first_asked["tool_choice"] == "required"
    assert first_asked["tools"][0]["function"]["parameters"] == WEATHER["input_schema"]
    assert asked["messages"][1:] == [
        {"role": "assistant", "content": "I look.", "tool_calls": [CALLED]},
        {"role": "tool", "tool_call_id": "call_0f", "content": "rain"},
        {"role": "user", "content": "and?"},
    ]


async def test_one_tool_alone_can_be_wanted(firm: House) -> None:
    async with await client_of(firm) as client:
        await client.messages.create(
            model="base", max_tokens=64, messages=HELLO, tools=[WEATHER],
            tool_choice={"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
        )  # fmt: skip
    (asked,) = firm.engine.requests
    assert asked["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert asked["parallel_tool_calls"] is False


async def test_thoughts_are_told_to_clients_that_want_them(firm: House) -> None:
    says(firm, "Good.", beside={"reasoning": "It went well."})
    async with await client_of(firm) as client:
        silent = await client.messages.create(model="base", max_tokens=64, messages=HELLO)
        thinking: Any = {"type": "enabled", "budget_tokens": 1024}
        told = await client.messages.create(model="base", max_tokens=2048, messages=HELLO, thinking=thinking)
        assert [block.type for block in silent.content] == ["text"]
        assert [block.type for block in told.content] == ["thinking", "text"]
        history: list[MessageParam] = [*HELLO, {"role": "assistant", "content": told.content}, *HELLO]
        await client.messages.create(model="base", max_tokens=64, messages=history)
        assert firm.engine.requests[-1]["messages"][1]["reasoning"] == "It went well."
        said: Said = [(0, {"reasoning": "It went well."}), (0, "Good.")]
        firm.engine.raw = lambda body: engine_stream(said)
        off: Any = {"type": "disabled"}
        for wanted, types in ((thinking, ["thinking", "text"]), (off, ["text"])):
            async with client.messages.stream(model="base", max_tokens=2048, messages=HELLO, thinking=wanted) as stream:
                assert [block.type for block in (await stream.get_final_message()).content] == types


async def test_a_result_of_a_tool_that_failed_says_so(firm: House) -> None:
    failed: list[Any] = [
        {"type": "tool_result", "tool_use_id": "a", "content": "no such city", "is_error": True},
        {"type": "tool_result", "tool_use_id": "b", "is_error": True},
        {"type": "tool_result", "tool_use_id": "c", "content": "rain", "is_error": False},
    ]
    async with await client_of(firm) as client:
        await client.messages.create(
            model="base", max_tokens=64, messages=[*HELLO, {"role": "user", "content": failed}]
        )
    results = [message["content"] for message in firm.engine.requests[-1]["messages"][1:]]
    assert results == ["Error: no such city", "Error: ", "rain"]
