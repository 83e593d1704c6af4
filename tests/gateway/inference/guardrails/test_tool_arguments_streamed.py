"""Tool calls behind windows: their names, their ids, and their arguments as JSON reads them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postil.gateway.inference.guardrails.holdback import HoldbackBuffer
from postil.gateway.inference.guardrails.tool_arguments import ToolArguments
from tests.fakes.sse import Said, call, engine_stream
from tests.fakes.windows import Finder, Judges, at_once, ban, rule_for
from tests.fakes.windows_path import one_rule, stream_of


def test_a_tool_call_arrives_as_it_was() -> None:
    said: Said = [
        (0, "Wait."),
        (0, call(0, "find", "", "chatcmpl-tool-0f")),
        (0, call(0, arguments='{"q": "')),
        (0, call(0, arguments='a\\u00e9\\n"}')),
        (0, call(1, "stop", "{}", "functions.stop:1")),
    ]
    choice = stream_of(one_rule("stop"), engine_stream(said, finish="tool_calls")).choices[0]
    assert choice.calls == {
        0: {"id": "chatcmpl-tool-0f", "name": "find", "arguments": '{"q": "a\\u00e9\\n"}'},
        1: {"id": "functions.stop:1", "name": "stop", "arguments": "{}"},
    }
    assert (choice.text, choice.finish) == ("Wait.", "tool_calls")


@pytest.mark.parametrize("spelt", ["bad", "b\\u0061d", "\\u0062\\u0061\\u0064"])
def test_arguments_are_judged_as_json_reads_them(spelt: str) -> None:
    said = [(0, call(0, "find", "", "call_0")), *((0, call(0, arguments=one)) for one in f'{{"q": "a {spelt} b"}}')]
    redacted = stream_of(one_rule("redact"), engine_stream(said)).choices[0]
    assert redacted.calls[0]["arguments"] == '{"q": "a [removed] b"}'
    stopped = stream_of(one_rule("stop"), engine_stream(said)).choices[0]
    assert (stopped.calls[0]["arguments"], stopped.finish) == ('{"q": "a ', "content_filter")


def test_a_tool_call_with_a_forbidden_name_never_begins() -> None:
    said: Said = [(0, "Wait."), (0, call(0, "good", "{}", "call_0")), (0, call(1, "be_bad", "{}", "call_1"))]
    choice = stream_of(one_rule("replace"), engine_stream(said)).choices[0]
    assert (list(choice.calls), choice.text, choice.finish) == ([0], "Wait.[removed]", "content_filter")
    assert choice.calls[0]["arguments"] == "{}"


def test_an_id_of_the_models_making_is_judged_too() -> None:
    said = [(0, call(0, "find", "{}", "functions.bad:0"))]
    assert stream_of(one_rule("redact"), engine_stream(said)).choices[0].calls[0]["id"] == "functions.[removed]:0"
    digits = ban("digits", ["0"])
    said = [(0, call(0, "find", "{}", "chatcmpl-tool-00"))]
    assert stream_of(one_rule("stop", digits), engine_stream(said)).choices[0].calls[0]["id"] == "chatcmpl-tool-00"


def arguments(raw: str, on_fail: str, *, cut: bool) -> tuple[str, str]:
    """What leaves of arguments, and what of the text that they mean."""
    finder, out = ban("ban", ["ab", '\n"', "😀"], wider=1), []
    for kind, text in ((ToolArguments, raw), (HoldbackBuffer, json.loads(f'"{raw}"'))):
        rule = rule_for(0, finder, on_fail, '#"')
        holder, left = kind([rule], Judges({"ban": finder}).ask), ""
        for piece in text if cut else [text]:
            holder.feed(piece)
            left += at_once(holder.drain())
        out.append(left + at_once(holder.drain(ends=True)))
    return out[0], out[1]


SPELT = st.sampled_from(
    ["a", "b", "ab", "\\u0061", "\\u0062", '\\"', "\\\\", "\\n", "\\/", "é", "\\u00E9", "\\ud83d\\ude00", "😀"]
)


@given(spelt=st.lists(SPELT, max_size=20), on_fail=st.sampled_from(["stop", "redact", "replace"]), cut=st.booleans())
def test_however_a_text_is_spelt_its_meaning_is_what_is_judged(spelt: list[str], on_fail: str, cut: bool) -> None:
    left, meant = arguments("".join(spelt), on_fail, cut=cut)
    assert json.loads(f'"{left}"') == meant
    if meant == json.loads('"' + "".join(spelt) + '"'):
        assert left == "".join(spelt), "what is allowed leaves as it was spelt"


NO_ESCAPES = ["\\", "\\u", "\\u00", "\\ud83d", "\\ud83d\\u00", "\\x", "\\ud83dab", "\\ud83d\\n", "\\udead", "\\\\u0061"]


@pytest.mark.parametrize("raw", NO_ESCAPES)
def test_what_is_no_escape_is_left_as_it_is(raw: str) -> None:
    finder, out = ban("ban", ["zz", "a\ufffd"]), ""
    holder = ToolArguments([rule_for(0, finder, "stop")], Judges({"ban": finder}).ask)
    for one in raw:
        holder.feed(one)
        out += at_once(holder.drain())
    assert out + at_once(holder.drain(ends=True)) == raw


def test_a_validator_never_sees_half_of_a_pair() -> None:
    finder = Finder("ban", 1, lambda text, *_: [] if any("\ud800" <= one <= "\udfff" for one in text) else None)
    holder = ToolArguments([rule_for(0, finder, "stop")], Judges({"ban": finder}).ask)
    holder.feed('{"q": "\\ud83d and \\ude00"}')
    assert at_once(holder.drain(ends=True)) == '{"q": "\\ud83d and \\ude00"}'


def message(*calls: tuple[str, str], content: str | None = None) -> dict[str, Any]:
    """A whole choice that calls tools."""
    made = [
        {"id": f"call_{at}", "type": "function", "function": {"name": name, "arguments": told}}
        for at, (name, told) in enumerate(calls)
    ]
    said = {"role": "assistant", "content": content, "tool_calls": made, "refusal": None}
    return {"index": 0, "message": said, "finish_reason": "tool_calls", "logprobs": None}


def test_a_whole_answer_with_tool_calls_becomes_what_its_stream_becomes() -> None:
    allowed = message(("find", '{"q": "a"}'), ("find", "{}"), content="Wait.")
    assert asyncio.run(one_rule("stop").settle(allowed | {})) == allowed
    found = asyncio.run(one_rule("redact").settle(message(("find", '{"q": "b\\u0061d"}'), content="so bad")))
    assert found["message"]["content"] == "so [removed]"
    assert found["message"]["tool_calls"][0]["function"] == {"name": "find", "arguments": '{"q": "[removed]"}'}
    assert found["finish_reason"] == "tool_calls"


def test_a_whole_answer_ends_where_a_tool_call_fails() -> None:
    calls = (("good", "{}"), ("find", '{"q": "bad"}'), ("more", "{}"))
    found = asyncio.run(one_rule("replace").settle(message(*calls, content="Wait.")))
    assert [call["function"]["name"] for call in found["message"]["tool_calls"]] == ["good", "find"]
    assert found["message"]["tool_calls"][1]["function"]["arguments"] == '{"q": "'
    assert (found["message"]["content"], found["finish_reason"]) == ("Wait.[removed]", "content_filter")
