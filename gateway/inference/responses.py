"""The engine's whole answers: read a choice as a Completion, put a fallback in its place, name the release."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from postil.gateway.engine.decode import decode
from postil.gateway.inference.formats import FORMATS, Kind
from postil.gateway.inference.formats.openai_chat import BESIDE
from postil.plugins import Completion, Fallback

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])


def read(body: bytes, kind: Kind) -> dict[str, Any]:
    """A whole answer that is to be judged, with all its fields. Raises UnreadableAnswerError.

    Of what is read of it the shape is certain, of all else nothing is.
    """
    decode(body, FORMATS[kind].answers)
    return decode(body, _decoder)


def completion(choice: Mapping[str, Any], kind: Kind) -> Completion:
    """One choice of an answer, as plugins see it."""
    return FORMATS[kind].completion_of(choice)


def substitute(choice: dict[str, Any], fallback: Fallback, kind: Kind) -> None:
    """Put a fallback into a choice; nothing of what the model said stays, its log-probabilities included."""
    clear(choice)
    choice |= {**FORMATS[kind].spoken(fallback.content), "finish_reason": fallback.finish_reason}


def clear(choice: dict[str, Any]) -> None:
    """Clear all fields of a choice but its index."""
    for key in choice:
        if key != "index":
            choice[key] = None


def empty_choice(kind: Kind) -> dict[str, Any]:
    """A choice with an empty text."""
    return {"index": 0, **FORMATS[kind].spoken(""), "logprobs": None, "finish_reason": "stop"}


def of_choice(choice: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
    """An answer that was made without the engine."""
    return {
        "id": new_id(kind),
        "object": FORMATS[kind].answer_object,
        "created": int(time.time()),
        "choices": [choice],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    }


def new_id(kind: Kind) -> str:
    """A new id, for an answer that was made without the engine."""
    return f"{FORMATS[kind].id_prefix}-{uuid.uuid4().hex}"


def replace_choice(choice: dict[str, Any], fresh: Mapping[str, Any]) -> None:
    """Replace a choice by another answer's."""
    index = choice["index"]
    choice.clear()
    choice.update(fresh, index=index)


def drop_unjudged(choice: dict[str, Any]) -> None:
    """Remove fields beside the answer that no validator has seen, such as reasoning."""
    message = choice.get("message")
    if isinstance(message, dict):
        for key in BESIDE:
            message.pop(key, None)


def drop_tokens(choice: dict[str, Any]) -> None:
    """Remove log-probabilities that only the validators asked for."""
    choice["logprobs"] = None


def as_json(answer: Mapping[str, Any]) -> bytes:
    """The answer as JSON."""
    return _encoder.encode(answer)


def header_value(text: str) -> str:
    """A header's value: one line of printable ASCII, of a length that proxies take."""
    return "".join(c if " " <= c <= "~" else "?" for c in text)[:500]
