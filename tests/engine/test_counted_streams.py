"""Streams that are counted, written by vLLM's own classes: the client gets what vLLM alone would send, to the byte."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator
from typing import Any

import pytest

from postil.gateway.inference.streaming.usage_filter import Fingerprint, UsageFilter

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
NAME = "vllm-0.32.0-tp1-0123abcd"
DONE = b"data: [DONE]\n\n"
# What could be mistaken for the engine's own words.
PIECES = ["a", '",', ',"usage":{"prompt_tokens":1}', '"choices":[]', '"finish_reason":"stop"', "}\n\n", "ö\\"]


def chat(piece: str, finish: str | None, **more: Any) -> bytes:
    """One event of a chat, made as vLLM's server makes it."""
    from vllm.entrypoints.openai.chat_completion import protocol, serving

    choice = protocol.ChatCompletionResponseStreamChoice(
        index=0, delta=serving.DeltaMessage(content=piece), logprobs=None, finish_reason=finish
    )
    return _written(
        protocol.ChatCompletionStreamResponse(
            id="c", object="chat.completion.chunk", created=1, model="m", choices=[choice]
        ),
        more,
    )


def text(piece: str, finish: str | None, **more: Any) -> bytes:
    """One event of a text completion."""
    from vllm.entrypoints.openai.completion import protocol

    choice = protocol.CompletionResponseStreamChoice(
        index=0, text=piece, logprobs=None, finish_reason=finish, stop_reason=None, prompt_token_ids=None,
        token_ids=None,
    )  # fmt: skip
    return _written(protocol.CompletionStreamResponse(id="c", created=1, model="m", choices=[choice]), more)


def total(kind: Any, usage: Any) -> bytes:
    """The event with the total, in each server's way."""
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionStreamResponse
    from vllm.entrypoints.openai.completion.protocol import CompletionStreamResponse

    known = {"id": "c", "created": 1, "model": "m", "choices": [], "usage": usage, "system_fingerprint": NAME}
    if kind is chat:
        event = ChatCompletionStreamResponse(object="chat.completion.chunk", metrics=None, **known)
        body = event.model_dump_json(exclude_unset=True, exclude_none=True)
    else:
        body = CompletionStreamResponse(metrics=None, **known).model_dump_json(exclude_unset=False, exclude_none=True)
    return f"data: {body}\n\n".encode()


def _written(event: Any, more: dict[str, Any]) -> bytes:
    for name, value in more.items():
        setattr(event, name, value)
    return f"data: {event.model_dump_json(exclude_unset=True)}\n\n".encode()


def used(completion: int) -> Any:
    """vLLM's count, with the details that models that think have."""
    from vllm.entrypoints.openai.chat_completion import serving

    details = serving._make_completion_tokens_details(1)
    return serving.UsageInfo(
        prompt_tokens=5, completion_tokens=completion, total_tokens=5 + completion, completion_tokens_details=details
    )


def stream(kind: Any, *, wants_total: bool, wants_each: bool) -> list[bytes]:
    """What vLLM 0.32 sends to who asks for these counts."""
    events = []
    for number, piece in enumerate([*PIECES, ""], 1):
        finish = None if piece else "stop"
        more: dict[str, Any] = {}
        if finish and not wants_total:
            more["system_fingerprint"] = NAME
        if wants_each:
            more["usage"] = used(min(number, len(PIECES)))
        events.append(kind(piece, finish, **more))
    return [*events, *([total(kind, used(len(PIECES)))] if wants_total else []), DONE]


async def passed(passing: UsageFilter, events: list[bytes]) -> bytes:
    """What the client gets."""

    async def reads() -> AsyncIterator[bytes]:
        for event in events:
            yield event

    return b"".join([out async for out in passing.filter(reads())])


@pytest.mark.parametrize("kind", [chat, text])
@pytest.mark.parametrize(("wants_total", "wants_each"), [(False, False), (True, False), (True, True)])
def test_the_client_gets_what_vllm_alone_would_send(kind: Any, wants_total: bool, wants_each: bool) -> None:
    passing = UsageFilter(Fingerprint(), total=wants_total, each=wants_each, choices=None)
    counted = stream(kind, wants_total=True, wants_each=True)
    alone = stream(kind, wants_total=wants_total, wants_each=wants_each)
    assert asyncio.run(passed(passing, counted)) == b"".join(alone)
    assert passing.used() == (5, len(PIECES))
