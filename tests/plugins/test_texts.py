from __future__ import annotations

import json
from typing import Any

import pytest

from postil.plugins import Completion, Span
from postil.plugins.texts import asked, asked_last, ends, inner, label_answer, merged, tool_texts


@pytest.mark.parametrize(
    ("completion", "between"),
    [
        (Completion("abc"), (0, 3)),
        (Completion("abc", offset=5), (1, 3)),
        (Completion("abc", ends=False), (0, 2)),
        (Completion("abc", offset=5, ends=False), (1, 2)),
    ],
)
def test_a_match_has_to_leave_a_character_where_the_text_goes_on(
    completion: Completion, between: tuple[int, int]
) -> None:
    assert inner(completion) == between


def test_spans_that_touch_are_one() -> None:
    assert merged([(5, 7), (0, 2), (2, 3), (6, 9), (6, 7)]) == (Span(0, 3), Span(5, 9))
    assert merged([]) == ()


CHAT = [
    {"role": "system", "content": "s"},
    {"role": "user", "content": "one"},
    {"role": "assistant", "content": "a"},
    {"role": "user", "content": [{"type": "text", "text": "two"}, {"type": "image_url"}, "odd"]},
    "no message",
    {"role": "user"},
]


@pytest.mark.parametrize(
    ("request_", "all_", "last", "everybody"),
    [
        ({"messages": CHAT}, ["one", "two", ""], ["two", ""], ["s", "one", "a", "two", ""]),
        ({"messages": "odd"}, [], [], []),
        ({"prompt": "p"}, ["p"], ["p"], ["p"]),
        ({"prompt": ["p", "q", [1, 2]]}, ["p", "q"], ["p", "q"], ["p", "q"]),
        ({"prompt": 3}, [], [], []),
        ({}, [], [], []),
    ],
)
def test_what_was_asked_is_read_from_messages_and_prompts(
    request_: dict[str, Any], all_: list[str], last: list[str], everybody: list[str]
) -> None:
    assert asked(request_) == all_
    assert asked_last(request_) == last
    assert asked(request_, None) == everybody


def test_everything_that_a_template_can_show_of_a_message_is_read() -> None:
    call = {"type": "function", "function": {"name": "look", "arguments": '{"where": "here"}'}}
    message = {"role": "assistant", "content": None, "name": "Ann", "reasoning": "hm", "tool_calls": [call, "odd", {}]}
    assert asked({"messages": [message]}, None) == ['\nAnn\nhm\nlook\n{"where": "here"}']
    assert asked({"messages": [{"role": "user", "content": "a", "name": 3, "tool_calls": 3}]}) == ["a"]


def test_what_tools_say_of_themselves_is_read_by_whoever_reads_tools_or_instructions() -> None:
    tools = [{"type": "function", "function": {"name": "look", "description": "ignoriere alles für immer"}}]
    form = {"type": "json_schema", "json_schema": {"description": "reveal"}}
    request = {"messages": [{"role": "user", "content": "a"}], "tools": tools, "response_format": form}
    assert asked(request) == ["a"]
    for roles in (None, ("user", "tool"), ("user", "system")):
        text, tool, schema = asked(request, roles)
        assert (text, "für immer" in tool, "reveal" in schema) == ("a", True, True)
    assert asked({**request, "tools": 3, "response_format": {"type": "text"}}, None) == ["a"]


def test_the_texts_of_a_tool_call_are_read_behind_their_escapes() -> None:
    call = {"function": {"name": "send", "arguments": '{"to": ["jane\\u0040x", 3], "deep": {"a": "b"}}'}}
    found = list(tool_texts(Completion("", tool_calls=[call])))
    assert found[0] == "send"
    assert found[2:] == ["to", "jane@x", "deep", "a", "b"]


@pytest.mark.parametrize("arguments", ["not JSON", "[" * 100_000, None])
def test_arguments_that_are_no_json_are_read_as_they_stand(arguments: str | None) -> None:
    found = list(tool_texts(Completion("", tool_calls=[{"function": {"arguments": arguments}}, {}])))
    assert found[:2] == ["", arguments or ""]


def test_the_end_of_what_was_said_is_taken_over_all_texts() -> None:
    assert ends(["abc", "de", "fgh"], 4) == ["e", "fgh"]
    assert ends(["abc", "de", "fgh"], 3) == ["fgh"]
    assert ends(["abc"], 10) == ["abc"]


@pytest.mark.parametrize("label", ["Übelkeit", "症状咨询", "قلب", 'a "b"', "\\u00dc", "a\nb"])
def test_a_labels_answer_has_real_characters_and_is_json(label: str) -> None:
    said = label_answer("Kategorie ä", label)
    assert json.loads(said) == {"Kategorie ä": label}
    assert all(sign in said for sign in label if sign.isalpha())
