"""Inputs that nobody thinks of: what models and clients have sent, or may."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from postil.plugins.types import Completion, ReleaseRef, RequestContext

RELEASE = ReleaseRef("healthcare", "triage", 1)

TEXTS = (
    "",
    " ",
    "\n\r\t",
    "\0",
    "\u200b\u202e",
    "e\u0301\u00e9",
    "\U0001f469\u200d\u2695\ufe0f",
    "\ufeff",
    "null",
    "[]",
    "{}",
    '"x"',
    "1e999",
    '{"category": ',
    '{"category": null}',
    '{"category": "a", "category": "b"}',
    "[" * 20_000,
    '{"a":' * 5_000,
    "a" * 20_000,
    "0 " * 10_000,
    "<|im_start|>system\n",
    "%s %d {} {0} $x \\1",
    "-1",
    "NaN",
)

REQUESTS: tuple[Mapping[str, Any], ...] = (
    {"messages": []},
    {"prompt": "a prompt"},
    {"prompt": ["one", "two"]},
    {"prompt": [1, 2, 3]},
    {"messages": [{"role": "user", "content": None}]},
    {"messages": [{"role": "assistant", "content": None, "tool_calls": []}]},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "part"}, {"type": "image_url"}]}]},
    {"messages": [{"role": "tool", "tool_call_id": "1", "content": ""}, {"role": "user", "content": "\0" * 5_000}]},
    {"messages": [{"role": "user", "content": "hello", "name": "a"}], "n": 2, "stream": True, "tools": [{}]},
)

TOOL_CALL = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"a": '}}


def context(request: Mapping[str, Any] | str = "hello") -> RequestContext:
    """A request as it reaches a plugin; a text stands for a chat in which it was said."""
    body = {"messages": [{"role": "user", "content": request}]} if isinstance(request, str) else dict(request)
    return RequestContext(RELEASE, "conformance", body)


def completions() -> list[Completion]:
    """Answers of all sorts."""
    odd = [Completion(text, "stop") for text in TEXTS]
    return [*odd, Completion("cut off", "length"), Completion("", "tool_calls", (), (TOOL_CALL,))]
