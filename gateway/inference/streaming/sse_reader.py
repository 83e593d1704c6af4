"""The engine's server-sent events, read: from bytes that are cut anywhere to what each choice said.

Only what is named here is ever passed on; a field that nobody judges has no way out.
"""

from __future__ import annotations

from typing import Any

import msgspec

from postil.gateway.engine.decode import decode, unreadable

_DONE = b"[DONE]"
# One event at most; with twenty log-probabilities and a long piece of text it has some kilobytes.
_MOST_BYTES = 8 << 20


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


_decoder = msgspec.json.Decoder(Event)


class Reader:
    """Puts reads together to events. ``done`` once the engine has said that it is."""

    def __init__(self) -> None:
        self.done = False
        self._rest = b""
        self._data: list[bytes] = []

    def read(self, chunk: bytes) -> list[Event]:
        """The events that this read makes whole. Raises UnreadableAnswerError at one that is none."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > _MOST_BYTES:
            raise unreadable("a line without an end", "event")
        events = []
        for line in (line.removesuffix(b"\r") for line in lines):
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif not line and self._data and not self.done:
                data, self._data = b"\n".join(self._data), []
                if data.strip() == _DONE:
                    self.done = True
                else:
                    events.append(decode(data, _decoder, "event"))
        return events
