"""Messages, tools and their calls: what is read of them, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from postil.gateway.errors import BadRequestError
from postil.gateway.inference.fields.messages import has_media, read_messages
from postil.gateway.inference.fields.tools import read_tool_choice, read_tools

USER = {"role": "user", "content": "a"}
TOOL = {"type": "function", "function": {"name": "look"}}


def refusal(*messages: Any) -> str:
    with pytest.raises(BadRequestError) as caught:
        read_messages(list(messages))
    assert caught.value.param == "messages"
    return str(caught.value)


def test_no_messages_are_refused() -> None:
    assert refusal() == "messages is empty; send at least one"


@pytest.mark.parametrize("role", ["User", "human", "function", "root", "", None, 3, ["user"]])
def test_an_unknown_role_is_refused_because_no_check_would_look_at_it(role: Any) -> None:
    assert "messages[1] has to have one of the roles system, developer" in refusal(USER, {**USER, "role": role})


@pytest.mark.parametrize("kind", ["thinking", "tool_reference", "prompt_embeds", "image_pil", "file", None, 3, []])
def test_an_unknown_part_is_refused_because_no_check_would_see_it(kind: Any) -> None:
    assert "unknown type" in refusal({"role": "user", "content": [{"type": kind, "thinking": "a", "text": "b"}]})


def test_every_text_is_read_as_a_text_whatever_its_part_calls_itself() -> None:
    parts = [
        "plain", {"text": "no type"}, {"type": "text", "text": "b", "cache_control": {}},
        {"type": "refusal", "refusal": "c", "text": "d"}, {"type": "input_text", "text": "e"},
    ]  # fmt: skip
    (message,) = read_messages([{"role": "assistant", "content": parts}])
    assert [part["text"] for part in message["content"]] == ["plain", "no type", "b", "c", "e"]
    assert {part["type"] for part in message["content"]} == {"text"}
    assert not has_media([message])


def test_pictures_are_passed_on_with_nothing_but_themselves() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "auto"}}
    read = read_messages([{"role": "user", "content": [{**part, "uuid": "x", "image_pil": "y"}]}])
    assert read == [{"role": "user", "content": [part]}]
    assert has_media(read)


def test_what_answers_carry_is_taken_back_and_only_what_a_template_shows_is_sent() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}, "index": 0}
    answer: dict[str, Any] = {
        "role": "assistant", "content": None, "refusal": None, "annotations": [], "audio": None, "function_call": None,
        "tool_calls": [call], "reasoning_content": "hm", "provider_specific_fields": {}, "prefix": True,
    }  # fmt: skip
    result = {"role": "tool", "content": "found", "tool_call_id": "1", "name": "look"}
    del (kept := dict(call))["index"]
    assert read_messages([USER, answer, result]) == [
        USER, {"role": "assistant", "content": None, "reasoning": "hm", "tool_calls": [kept]}, result,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "message",
    [
        "a", None, {"role": "user", "content": 3}, {"role": "user", "content": {"text": "a"}},
        {"role": "user", "content": [3]}, {"role": "user", "content": [{"type": "text"}]},
        {"role": "user", "content": [{"type": "text", "text": ["a"]}]}, {"role": "user", "content": "a", "name": 3},
        {"role": "user", "content": "a", "name": "a" * 257}, {"role": "tool", "content": "a", "tool_call_id": {}},
        {"role": "assistant", "reasoning": ["a"]}, {"role": "assistant", "function_call": {"name": "a"}},
        {"role": "assistant", "tool_calls": 3}, {"role": "assistant", "tool_calls": ["a"]},
        {"role": "assistant", "tool_calls": [{"function": {"name": "a", "arguments": {"b": 1}}}]},
        {"role": "assistant", "tool_calls": [{"type": "custom", "function": {"name": "a"}}]},
        {"role": "assistant", "tool_calls": [{"id": 3, "function": {"name": "a"}}]},
        {"role": "assistant", "tool_calls": [{"function": {"name": "a", "arguments": "[" * 100_000}}]},
        {"role": "assistant", "tool_calls": [{"function": {"name": "a", "arguments": "[" * 70 + "]" * 70}}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": "https://a"}]},
    ],
)  # fmt: skip
def test_a_message_of_another_shape_is_refused_by_its_number(message: Any) -> None:
    assert refusal(USER, message).startswith("messages[1] has")


def test_long_arguments_that_are_not_deep_are_taken() -> None:
    arguments = "[" + ",".join(["{}"] * 500) + "]"
    message = {"role": "assistant", "tool_calls": [{"function": {"name": "a", "arguments": arguments}}]}
    (read,) = read_messages([message])
    assert read["tool_calls"][0]["function"]["arguments"] == arguments


def test_arguments_are_not_decoded_to_see_how_deep_they_are() -> None:
    """Numbers as these took 7 seconds of the event loop in a body of 7 MB: decoding finds that this one is none."""
    arguments = "[" + "{}," * 100 + "1.7976931348623157e999]"
    message = {"role": "assistant", "tool_calls": [{"function": {"name": "a", "arguments": arguments}}]}
    (read,) = read_messages([message])
    assert read["tool_calls"][0]["function"]["arguments"] == arguments


def test_brackets_in_the_strings_of_arguments_are_no_depth() -> None:
    arguments = json.dumps({"a": '"[' * 100})
    message = {"role": "assistant", "tool_calls": [{"function": {"name": "a", "arguments": arguments}}]}
    assert read_messages([message])[0]["tool_calls"][0]["function"]["arguments"] == arguments


@pytest.mark.parametrize(
    "tool",
    [
        "a", {}, {"type": "web_search"}, {"type": "function"}, {"type": "function", "function": {}},
        {"type": "function", "function": {"name": 3}}, {"type": "function", "function": {"name": "a" * 129}},
        {"type": "function", "function": {"name": "a", "description": ["b"]}},
        {"type": "function", "function": {"name": "a", "parameters": "b"}},
        {"type": "function", "function": {"name": "a", "strict": "yes"}},
    ],
)  # fmt: skip
def test_a_tool_of_another_shape_is_refused_by_its_number(tool: Any) -> None:
    with pytest.raises(BadRequestError, match=r"tools\[1\]"):
        read_tools([TOOL, tool])


def test_of_a_tool_only_what_is_known_is_sent() -> None:
    function = {"name": "look", "description": "looks", "parameters": {"type": "object"}, "strict": True}
    read = read_tools([{"type": "function", "function": {**function, "hidden": "a"}, "defer_loading": True}])
    assert read == [{"type": "function", "function": function}]
    with pytest.raises(BadRequestError, match="more than 128"):
        read_tools([TOOL] * 129)


def test_a_choice_names_a_tool_that_there_is() -> None:
    assert read_tool_choice("auto", []) == "auto"
    assert read_tool_choice({**TOOL, "more": 1}, [TOOL]) == TOOL
    choices: list[Any] = [{}, {"type": "function"}, {"type": "function", "function": {"name": ["look"]}}]
    for choice in choices:
        with pytest.raises(BadRequestError, match="tool_choice has to be"):
            read_tool_choice(choice, [TOOL])
