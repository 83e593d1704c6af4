"""How deep and how long a body may be."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postil.gateway.errors import BadRequestError
from postil.gateway.inference import body_limits as shape
from postil.gateway.inference.formats import Kind
from postil.gateway.inference.request import parse

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('[]{}"a'),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("[{", max_size=2), inner, max_size=4),
    max_leaves=200,
)


def read(raw: bytes) -> dict[str, Any]:
    return dict(parse(Kind.CHAT, raw).body)


def nested(depth: int, unit: str = "[") -> bytes:
    """A body of a depth: the object itself is one."""
    opening, closing = ("[", "]") if unit == "[" else ('{"a":', "}")
    inner = opening * (depth - 1) + "1" + closing * (depth - 1)
    return f'{{"messages":[{{"role":"user","content":"a"}}],"metadata":{inner}}}'.encode()


@pytest.mark.parametrize("unit", ["[", "{"])
def test_a_body_of_the_greatest_depth_is_taken_and_one_deeper_is_not(unit: str) -> None:
    read(nested(shape.DEEPEST, unit))
    with pytest.raises(BadRequestError, match="64 levels of JSON nesting"):
        read(nested(shape.DEEPEST + 1, unit))


@pytest.mark.parametrize("depth", [500, 900, 980, 990, 1000, 5000, 100_000])
def test_no_depth_is_too_much_for_the_check_itself(depth: int) -> None:
    with pytest.raises(BadRequestError):
        read(nested(depth))


def test_brackets_in_texts_are_no_depth() -> None:
    body = {"messages": [{"role": "user", "content": "[{" * 30_000}]}
    assert read(json.dumps(body).encode()) == body


@pytest.mark.parametrize("name", ["messages", "prompt", "tools", "stop"])
def test_a_list_of_100_000_entries_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(BadRequestError, match=f"{name} has more than 2048 entries") as caught:
        read(json.dumps({name: ["a"] * 100_000}).encode())
    assert caught.value.param == name


def test_a_chat_of_100_000_messages_is_refused() -> None:
    with pytest.raises(BadRequestError, match="send fewer"):
        read(json.dumps({"messages": [{"role": "user", "content": "a"}] * 100_000}).encode())


def test_the_longest_chat_is_taken() -> None:
    said = [{"role": "user", "content": [{"type": "text", "text": "a"}]}] * shape.MOST_MESSAGES
    assert read(json.dumps({"messages": said}).encode())["messages"] == said


def test_a_prompt_of_token_ids_may_be_long() -> None:
    raw = json.dumps({"prompt": list(range(100_000))}).encode()
    assert len(parse(Kind.TEXT, raw).body["prompt"]) == 100_000


def test_a_body_of_nothing_but_brackets_is_not_even_read() -> None:
    with pytest.raises(BadRequestError, match="brackets"):
        read(b'{"messages":[' + b"[]," * 2_000_000 + b"[]]}")


def with_metadata(inner: str, number: int) -> bytes:
    """A body whose metadata is so many times the same."""
    return f'{{"messages":[{{"role":"user","content":"a"}}],"metadata":[{",".join([inner] * number)}]}}'.encode()


# Each took 0.1 to 7 seconds of the event loop before it was decoded as far as it now is counted.
@pytest.mark.parametrize(
    ("inner", "number", "refusal"),
    [
        ("1", 500_000, "more than 262144 values"),
        ('"a"', 140_000, "more than 131072 strings"),
        ('{"a":1,"b":2,"c":3}', 22_000, "more than 65536 keys"),
        ("[]", 40_000, "more than 32768 objects and lists"),
        ("1.7976931348623157e308", 300, "more than 256 numbers with an exponent"),
        ("1.7976931348623157E308", 300, "more than 256 numbers with an exponent"),
        ("9" * 4300, 20, "more than 64 digits"),
        ("0." + "1" * 65, 1000, "more than 64 digits"),
        ("9" * 64, 100_000, "more than 4 MiB outside of its strings"),
        ("1" + " " * 100, 60_000, "more than 4 MiB outside of its strings"),
    ],
)
def test_what_takes_long_to_decode_is_refused_before(inner: str, number: int, refusal: str) -> None:
    with pytest.raises(BadRequestError, match=refusal):
        # Not JSON at its end, which only decoding finds.
        read(with_metadata(inner, number) + b"x")


@pytest.mark.parametrize(
    ("inner", "number"),
    [
        ("1", 262_000),
        ('"a, {b}: 1e9 [9]"', 131_060),
        ('{"a":1,"b":2}', 32_760),
        ("true,false,null,1.5", 1000),
        ("1e-05", 256),
        ("9" * 19, 100_000),
    ],
)
def test_as_much_as_may_be_is_taken(inner: str, number: int) -> None:
    raw = with_metadata(inner, number)
    assert read(raw) == json.loads(raw)


def test_nothing_in_a_text_counts() -> None:
    text = '\\"{[,:1e9\\\\' * 20_000 + "9" * 5000
    raw = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
    assert read(raw)["messages"][0]["content"] == text


@given(st.recursive(st.text('\\\\"a,é'), lambda inner: st.lists(inner) | st.dictionaries(st.text('\\\\",:'), inner)))
def test_outside_of_strings_is_what_json_says(value: Any) -> None:
    raw = json.dumps(value, ensure_ascii=False).encode()
    assert shape.outside_strings(raw) == re.sub(rb'"(?:[^"\\]|\\.)*"', b"", raw)


@given(JSON)
def test_the_depth_that_is_refused_is_the_depth_of_the_value(value: Any) -> None:
    def depth(part: Any) -> int:
        if not isinstance(part, dict | list):
            return 0
        return 1 + max((depth(child) for child in (part.values() if isinstance(part, dict) else part)), default=0)

    shape.check({"x": value}, shape.DEEPEST + 1)  # However many brackets, a shallow value passes.
    deep: Any = value
    for _ in range(shape.DEEPEST - 1 - depth(value)):
        deep = [deep]
    shape.check({"x": deep}, shape.DEEPEST + 1)
    with pytest.raises(BadRequestError):
        shape.check({"x": [deep if isinstance(value, dict | list) else [deep]]}, shape.DEEPEST + 1)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"null",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1e999}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":' + b"1" * 5000 + b"}",
        b"\xef\xbb\xbf{}",
        b'{"a":1}x',
        b'{"a":"\x00"}',
        b'{"model":7}',
        b'{"stream":"yes"}',
        b'{"stream_options":[]}',
        b'{"user":{}}',
    ],
)
def test_what_is_not_json_or_of_a_wrong_type_is_refused(raw: bytes) -> None:
    with pytest.raises(BadRequestError):
        read(raw)
