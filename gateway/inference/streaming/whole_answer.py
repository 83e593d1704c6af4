"""A whole answer as a stream: for clients that want one where the answer had to be judged before any of it left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from postil.gateway.inference.formats import FORMATS
from postil.gateway.inference.request import CompletionRequest, counts_along
from postil.gateway.inference.streaming import sse


def as_events(answer: Mapping[str, Any], ask: CompletionRequest, notes: Mapping[str, str]) -> bytes:
    """A whole answer as the server-sent events of a stream: valid to its ``[DONE]``, for every choice.

    ``notes`` stand in the last event of a choice, as in streams that are judged while they run.
    """
    wire = FORMATS[ask.kind]
    head = {key: answer[key] for key in ("id", "created", "model") if key in answer}
    head["object"] = wire.event_object
    if "system_fingerprint" in answer:
        head["system_fingerprint"] = answer["system_fingerprint"]
    chunks = [{**head, "choices": [part]} for choice in answer["choices"] for part in wire.event_parts(choice)]
    if notes and chunks:
        chunks[-1]["postil"] = notes
    if ask.include_usage:
        so_far = answer.get("usage") if counts_along(ask) else None
        chunks = [{**chunk, "usage": so_far} for chunk in chunks]
        chunks.append({**head, "choices": [], "usage": answer.get("usage")})
    return b"".join(map(sse.write, chunks)) + sse.DONE
