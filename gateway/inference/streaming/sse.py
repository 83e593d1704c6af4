"""Server-sent events: the one reader and the one writer of their bytes.

Streams that nobody judges are only cut at the ends of events; where somebody reads them, their data is taken out.
"""

from __future__ import annotations

from typing import Any

import msgspec

from postil.gateway.engine.decode import unreadable

END = b"\n\n"
DONE = b"data: [DONE]\n\n"
_DONE = b"[DONE]"
_DONE_LINE = b"data: [DONE]"
# One event at most; with twenty log-probabilities and a long piece of text it has some kilobytes.
_MOST_BYTES = 8 << 20
# How a stream can begin: with a field, a comment or an empty line. HTML and JSON do not.
_BEGINS = (b"d", b"e", b"i", b"r", b":", b"\n", b"\r")
_encoder = msgspec.json.Encoder()


def write(content: Any) -> bytes:
    """One event with this content as JSON."""
    return b"data: " + _encoder.encode(content) + END


def is_stream(chunk: bytes) -> bool:
    """Whether an answer with this beginning can be a stream of events."""
    return chunk[:1] in _BEGINS


def is_done(event: bytes) -> bool:
    """Whether an event is ``[DONE]``."""
    return event.startswith(_DONE_LINE)


def ends_done(tail: bytes) -> bool:
    """Whether a stream with this end was complete."""
    return tail.rstrip().endswith(_DONE_LINE)


def split(events: bytes) -> list[bytes]:
    """Whole events, each with its end."""
    if events.count(END) == 1:
        return [events]
    return [event + END for event in events.split(END) if event]


def read_all(raw: bytes) -> list[bytes]:
    """The data of each event of a whole stream."""
    return EventReader().read(raw)


class EventCutter:
    """Puts reads together to whole events, as bytes. ``rest`` is the beginning of one that has not come to its end."""

    __slots__ = ("rest",)

    def __init__(self) -> None:
        self.rest = b""

    def cut(self, chunk: bytes) -> bytes:
        """What of this read and the rest is whole. Raises UnreadableAnswerError at an event without an end."""
        events = self.rest + chunk if self.rest else chunk
        if events.endswith(END):
            self.rest = b""
            return events
        whole, end, self.rest = events.rpartition(END)
        if len(self.rest) > _MOST_BYTES:
            raise unreadable("an event without an end", "event")
        return whole + end


class EventReader:
    """Puts reads together to the data of events. ``done`` once the engine has said that it is."""

    def __init__(self) -> None:
        self.done = False
        self._rest = b""
        self._data: list[bytes] = []

    def read(self, chunk: bytes) -> list[bytes]:
        """The data of the events that this read makes whole. Raises UnreadableAnswerError at one without an end."""
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
                    events.append(data)
        return events
