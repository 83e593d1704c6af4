"""What vLLM streams, and what a client has to get: events written as the engine writes them, and read strictly."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
# Which choice says what: its text, or its delta.
Said = list[tuple[int, str | Json]]
INSIDE = "postil-0123456789abcdef"
DONE = b"data: [DONE]\n\n"


def event(choices: Sequence[Json], *, chat: bool = True, model: str = INSIDE, **more: Any) -> bytes:
    """One event of the engine."""
    kind, name = ("chat.completion.chunk", "chatcmpl-1") if chat else ("text_completion", "cmpl-1")
    body = {"id": name, "object": kind, "created": 7, "model": model, "choices": choices, **more}
    return b"data: " + json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"


def engine_stream(
    said: Iterable[tuple[int, str | Json]],
    *,
    chat: bool = True,
    n: int = 1,
    finish: str = "stop",
    usage: bool = False,
    done: bool = True,
) -> list[bytes]:
    """The events of an answer: (choice, its text or its delta) in their order, between a beginning and an end."""
    counts = dict.fromkeys(range(n), 0)

    def used(count: int) -> Json:
        return {"usage": {"prompt_tokens": 3, "completion_tokens": count, "total_tokens": 3 + count}} if usage else {}

    out = []
    for index in range(n) if chat else ():
        first = {"index": index, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}
        out.append(event([first], **used(0)))
    for index, piece in said:
        counts[index] += 1
        delta = {"content": piece} if isinstance(piece, str) else piece
        part: Json = {"delta": delta} if chat else {"text": piece}
        choice = {"index": index, **part, "logprobs": None, "finish_reason": None, "token_ids": None}
        out.append(event([choice], chat=chat, **used(counts[index])))
    for index in range(n):
        part = {"delta": {}} if chat else {"text": ""}
        choice = {"index": index, **part, "finish_reason": finish, "stop_reason": None}
        out.append(event([choice], chat=chat, **used(counts[index])))
    if usage:
        out.append(event([], chat=chat, **used(sum(counts.values()))))
    return [*out, DONE] if done else out


def call(index: int = 0, name: str | None = None, arguments: str | None = None, made: str | None = None) -> Json:
    """A delta with a piece of a tool call."""
    return {"tool_calls": [{"index": index, "id": made, "function": {"name": name, "arguments": arguments}}]}


@dataclass
class Heard:
    """One choice as a client puts it together."""

    texts: dict[str, str] = field(default_factory=dict)
    calls: dict[int, Json] = field(default_factory=dict)
    finish: str | None = None
    told: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """What it says."""
        return self.texts.get("content", self.texts.get("text", ""))


@dataclass
class Stream:
    """A whole stream as a client puts it together; ``error`` stands where it ended with one."""

    choices: dict[int, Heard] = field(default_factory=dict)
    usage: Json | None = None
    error: Json | None = None
    chunks: list[Json] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What the only choice says."""
        (choice,) = self.choices.values()
        return choice.text


def heard(body: bytes, model: str, *, chat: bool = True) -> Stream:
    """Read a stream; it has to be valid to its end."""
    stream, events = Stream(), body.decode().split("\n\n")
    assert events.pop() == "", "it ends in the middle of an event"
    assert all(one.startswith("data: ") and "\n" not in one for one in events)
    *chunks, last = [one.removeprefix("data: ") for one in events]
    if last != "[DONE]":
        stream.error = json.loads(last)["error"]
    for chunk in map(json.loads, chunks):
        assert chunk["object"] == ("chat.completion.chunk" if chat else "text_completion")
        assert (chunk["model"], chunk["id"], chunk["created"]) == (model, chunks and json.loads(chunks[0])["id"], 7)
        stream.chunks.append(chunk)
        assert stream.usage is None, "usage comes last"
        stream.usage = chunk.get("usage")
        for choice in chunk["choices"]:
            _hear(stream.choices.setdefault(choice["index"], Heard()), choice, chunk, chat=chat)
    assert stream.error or all(choice.finish for choice in stream.choices.values())
    return stream


def _hear(known: Heard, choice: Json, chunk: Json, *, chat: bool) -> None:
    assert known.finish is None, "nothing comes after the end of a choice"
    known.finish = choice["finish_reason"]
    known.told = chunk.get("postil", known.told)
    assert "postil" not in chunk or known.finish, "what is told stands at the end"
    if not chat:
        known.texts["text"] = known.texts.get("text", "") + choice["text"]
        return
    assert (choice["delta"].get("role") == "assistant") == (not known.texts), "the role comes first, and once"
    for key in ("content", "reasoning", "reasoning_content", "refusal"):
        if key in choice["delta"]:
            known.texts[key] = known.texts.get(key, "") + choice["delta"][key]
    for call in choice["delta"].get("tool_calls", ()):
        if "id" in call:
            assert call["index"] not in known.calls
            known.calls[call["index"]] = {"id": call["id"], "name": call["function"]["name"], "arguments": ""}
        known.calls[call["index"]]["arguments"] += call["function"]["arguments"]
