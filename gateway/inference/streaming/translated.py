"""Writes a chat's stream as another API's: the chat's events in, those of the API out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import msgspec

from postil.gateway.engine.decode import decode
from postil.gateway.errors import GatewayError
from postil.gateway.inference.formats.translated import ChatEvent, EventWriter, NamedEvent
from postil.gateway.inference.streaming import sse

_events = msgspec.json.Decoder(ChatEvent)
_BROKE_OFF = {"message": "the engine broke off in the middle of the answer; ask again", "code": "engine_unavailable"}


async def translated_stream(chunks: AsyncIterator[bytes], writer: EventWriter) -> AsyncIterator[bytes]:
    """The API's events, one write for each read; the last says that the answer is complete, or that it failed."""
    reader = sse.EventReader()
    async for chunk in chunks:
        try:
            out, over = _read(reader, chunk, writer)
        except GatewayError as error:
            out, over = _written(writer.fail(error.openai()["error"])), True
        if out:
            yield out
        if over:
            break
    else:
        yield _written(writer.fail(_BROKE_OFF))
        return
    async for _ in chunks:  # What the chat still does once all of it has left is done here, too.
        pass


def translated_events(body: bytes, writer: EventWriter) -> bytes:
    """A whole chat's events, which came at once, as the API's."""
    return _read(sse.EventReader(), body, writer)[0]


def failed_stream(error: GatewayError, writer: EventWriter) -> bytes:
    """The events of a stream that failed before anything was said."""
    return _written(writer.fail(error.openai()["error"]))


def _read(reader: sse.EventReader, chunk: bytes, writer: EventWriter) -> tuple[bytes, bool]:
    """The events that this read makes due, and whether they are the last."""
    out: list[NamedEvent] = []
    for data in reader.read(chunk):
        event = decode(data, _events, "event")
        if event.error is not None:
            return _written([*out, *writer.fail(event.error)]), True
        out += writer.take(event)
    if reader.done:
        out += writer.end()
    return _written(out), reader.done


def _written(events: Iterable[NamedEvent]) -> bytes:
    return b"".join([b"event: " + name.encode() + b"\n" + sse.write(content) for name, content in events])
