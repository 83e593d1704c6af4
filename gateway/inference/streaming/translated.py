"""Writes a chat's stream as another API's: the chat's events in, those of the API out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import suppress

import msgspec

from postil.gateway.engine.decode import decode
from postil.gateway.errors import EngineUnavailableError, GatewayError
from postil.gateway.inference.formats.translated import ChatEvent, EventWriter, NamedEvent
from postil.gateway.inference.streaming import sse

_events = msgspec.json.Decoder(ChatEvent)
_BROKE_OFF = {"message": "the engine broke off in the middle of the answer; ask again", "code": "engine_unavailable"}


async def translated_stream(chunks: AsyncIterator[bytes], writer: EventWriter) -> AsyncIterator[bytes]:
    """The API's events, one write for each read; the last says that the answer is complete, or that it failed."""
    reader = sse.EventReader()
    async for chunk in chunks:
        try:
            out, failure = _read(reader, chunk, writer)
        except GatewayError as error:
            out, failure = _written(writer.fail(error.openai()["error"])), error
        if out:
            yield out
        if failure is not None:
            await _give_up(chunks, failure)
            return
        if reader.done:
            break
    else:
        yield _written(writer.fail(_BROKE_OFF))
        return
    async for _ in chunks:  # What the chat still does once all of it has left is done here, too.
        pass


async def _give_up(chunks: AsyncIterator[bytes], failure: GatewayError) -> None:
    """Let a chat that is not read on end as one that failed: it may go on for as long as the engine likes."""
    if isinstance(chunks, AsyncGenerator):
        with suppress(GatewayError, StopAsyncIteration):
            await chunks.athrow(failure)
        await chunks.aclose()


def translated_events(body: bytes, writer: EventWriter) -> bytes:
    """A whole chat's events, which came at once, as the API's."""
    return _read(sse.EventReader(), body, writer)[0]


def failed_stream(error: GatewayError, writer: EventWriter) -> bytes:
    """The events of a stream that failed before anything was said."""
    return _written(writer.fail(error.openai()["error"]))


def _read(reader: sse.EventReader, chunk: bytes, writer: EventWriter) -> tuple[bytes, GatewayError | None]:
    """The events that this read makes due, and why they are the last of an answer that failed."""
    out: list[NamedEvent] = []
    for data in reader.read(chunk):
        event = decode(data, _events, "event")
        if event.error is not None:
            failure = EngineUnavailableError(_BROKE_OFF["message"])
            return _written([*out, *writer.fail(event.error)]), failure
        out += writer.take(event)
    if reader.done:
        out += writer.end()
    return _written(out), None


def _written(events: Iterable[NamedEvent]) -> bytes:
    return b"".join([b"event: " + name.encode() + b"\n" + sse.write(content) for name, content in events])
