"""The engine's whole answers: read a choice as a Completion, put a fallback in its place, name the release."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec

from postil.gateway.engine.decode import decode
from postil.gateway.inference.request import CompletionRequest, Kind
from postil.plugins import Completion, Fallback, Token

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])
# What a message can say beside its content.
BESIDE = ("reasoning", "reasoning_content", "refusal")


class _Token(msgspec.Struct):
    token: str
    logprob: float


class _ChatTokens(msgspec.Struct):
    content: list[_Token] | None = None


class _Message(msgspec.Struct):
    content: str | None = None
    tool_calls: list[dict[str, Any]] | None = None


class _ChatChoice(msgspec.Struct):
    index: int
    message: _Message
    logprobs: _ChatTokens | None = None
    finish_reason: str | None = None


class _TextTokens(msgspec.Struct):
    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None


class _TextChoice(msgspec.Struct):
    index: int
    text: str | None = None
    logprobs: _TextTokens | None = None
    finish_reason: str | None = None


class _ChatAnswer(msgspec.Struct):
    choices: Annotated[list[_ChatChoice], msgspec.Meta(min_length=1)]


class _TextAnswer(msgspec.Struct):
    choices: Annotated[list[_TextChoice], msgspec.Meta(min_length=1)]


# What is read of an answer here and by those that judge it; of all else nothing is supposed.
_shapes: Mapping[Kind, msgspec.json.Decoder[Any]] = {
    Kind.CHAT: msgspec.json.Decoder(_ChatAnswer),
    Kind.TEXT: msgspec.json.Decoder(_TextAnswer),
}


def read(body: bytes, kind: Kind) -> dict[str, Any]:
    """A whole answer that is to be judged, with all its fields. Raises UnreadableAnswerError."""
    decode(body, _shapes[kind])
    return decode(body, _decoder)


def completion(choice: Mapping[str, Any], kind: Kind) -> Completion:
    """One choice of an answer, as plugins see it."""
    if kind is Kind.TEXT:
        return Completion(choice.get("text") or "", choice.get("finish_reason"), _text_tokens(choice))
    message = choice.get("message") or {}
    return Completion(
        message.get("content") or "",
        choice.get("finish_reason"),
        _chat_tokens(choice),
        message.get("tool_calls") or (),
    )


def substitute(choice: dict[str, Any], fallback: Fallback, kind: Kind) -> None:
    """Put a fallback into a choice; nothing of what the model said stays, its log-probabilities included."""
    for key in list(choice):
        if key != "index":
            choice[key] = None
    choice["finish_reason"] = fallback.finish_reason
    if kind is Kind.TEXT:
        choice["text"] = fallback.content
    else:
        choice["message"] = {"role": "assistant", "content": fallback.content}


def empty_choice(kind: Kind) -> dict[str, Any]:
    """A choice in which nothing has been said."""
    said: dict[str, Any] = {"text": ""} if kind is Kind.TEXT else {"message": {"role": "assistant", "content": ""}}
    return {"index": 0, **said, "logprobs": None, "finish_reason": "stop"}


def of_choice(choice: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
    """An answer that the engine had no part in."""
    chat = kind is Kind.CHAT
    return {
        "id": f"{'chatcmpl' if chat else 'cmpl'}-{uuid.uuid4().hex}",
        "object": "chat.completion" if chat else "text_completion",
        "created": int(time.time()),
        "choices": [choice],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    }


def replace_choice(choice: dict[str, Any], fresh: Mapping[str, Any]) -> None:
    """Put another answer's choice in the place of this one."""
    index = choice["index"]
    choice.clear()
    choice.update(fresh, index=index)


def drop_unjudged(choice: dict[str, Any]) -> None:
    """Take out what a model says beside its answer, and no validator has seen."""
    message = choice.get("message")
    if isinstance(message, dict):
        for key in BESIDE:
            message.pop(key, None)


def drop_tokens(choice: dict[str, Any]) -> None:
    """Take out log-probabilities that only the validators asked for."""
    choice["logprobs"] = None


def as_json(answer: Mapping[str, Any]) -> bytes:
    """The answer's bytes."""
    return _encoder.encode(answer)


def as_events(answer: Mapping[str, Any], ask: CompletionRequest) -> bytes:
    """A whole answer as the server-sent events of a stream: valid to its ``[DONE]``, for every choice."""
    chat = ask.kind is Kind.CHAT
    head = {key: answer[key] for key in ("id", "created", "model") if key in answer}
    head["object"] = "chat.completion.chunk" if chat else "text_completion"
    if "system_fingerprint" in answer:
        head["system_fingerprint"] = answer["system_fingerprint"]
    chunks = []
    for choice in answer["choices"]:
        chunks += [{**head, "choices": [part]} for part in (_chat_parts(choice) if chat else _text_parts(choice))]
    if ask.include_usage:
        chunks = [{**chunk, "usage": None} for chunk in chunks]
        chunks.append({**head, "choices": [], "usage": answer.get("usage")})
    return b"".join(b"data: " + _encoder.encode(chunk) + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"


def _chat_parts(choice: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    message, index = choice["message"], choice["index"]
    yield {"index": index, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}
    delta: dict[str, Any] = {}
    if message.get("content"):
        delta["content"] = message["content"]
    if message.get("tool_calls"):
        delta["tool_calls"] = [{"index": at, **call} for at, call in enumerate(message["tool_calls"])]
    if delta:
        yield {"index": index, "delta": delta, "logprobs": choice.get("logprobs"), "finish_reason": None}
    yield {"index": index, "delta": {}, "logprobs": None, "finish_reason": choice.get("finish_reason")}


def _text_parts(choice: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield {
        "index": choice["index"],
        "text": choice.get("text") or "",
        "logprobs": choice.get("logprobs"),
        "finish_reason": choice.get("finish_reason"),
    }


def _chat_tokens(choice: Mapping[str, Any]) -> tuple[Token, ...]:
    content = (choice.get("logprobs") or {}).get("content") or ()
    return tuple(Token(token["token"], token["logprob"]) for token in content)


def _text_tokens(choice: Mapping[str, Any]) -> tuple[Token, ...]:
    logprobs = choice.get("logprobs") or {}
    tokens, values = logprobs.get("tokens") or (), logprobs.get("token_logprobs") or ()
    return tuple(Token(text, value if value is not None else 0.0) for text, value in zip(tokens, values, strict=False))
