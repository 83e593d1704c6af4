"""What an engine's event says, in the shapes that are read of it.

Only what is named here is ever passed on; a field that nobody judges has no way out.
"""

from __future__ import annotations

from typing import Any

import msgspec

from postil.gateway.engine.decode import decode


class Function(msgspec.Struct):
    """What a tool call says: the function's name comes whole, its arguments in pieces."""

    name: str | None = None
    arguments: str | None = None


class ToolCallDelta(msgspec.Struct):
    """A piece of a tool call."""

    index: int = 0
    id: str | None = None
    function: Function | None = None


class Delta(msgspec.Struct):
    """A piece of a message. Engines call the thoughts before an answer by either of two names."""

    reasoning: str | None = None
    reasoning_content: str | None = None
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCallDelta] | None = None


class ChoiceDelta(msgspec.Struct):
    """A piece of one choice: of a message (``delta``), or of a text completion (``text``)."""

    index: int
    delta: Delta | None = None
    text: str | None = None
    finish_reason: str | None = None
    stop_reason: int | str | None = None


class Event(msgspec.Struct):
    """One event. ``usage`` counts up to here if the engine was asked for that."""

    choices: list[ChoiceDelta]
    id: str = ""
    created: int = 0
    system_fingerprint: str | None = None
    usage: dict[str, Any] | None = None


_events = msgspec.json.Decoder(Event)


def read_event(data: bytes) -> Event:
    """An event from its data. Raises UnreadableAnswerError."""
    return decode(data, _events, "event")
