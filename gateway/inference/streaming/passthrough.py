"""Passes server-sent events on: whole events, with the model renamed, and an error event if the engine breaks off."""

from __future__ import annotations

from collections.abc import AsyncIterator

from postil.gateway.errors import EngineUnavailableError, GatewayError
from postil.gateway.inference.record import RequestRecord
from postil.gateway.inference.streaming import sse

_BROKE_OFF = "the engine broke off in the middle of the answer; ask again"
# How the event of an error begins. No text of an answer has these bytes in it: JSON escapes its quotes.
_ERROR = b'data: {"error"'


async def whole_events(chunks: AsyncIterator[bytes], engine_name: str, public_name: str) -> AsyncIterator[bytes]:
    """Pass whole events on, one write per read, with the engine's name for the release replaced.

    The engine's name is made from a digest, so that its bytes mean nothing else wherever they occur. An error in the
    middle of a stream is the engine's, in words about its insides: it ends the stream. Raises EngineUnavailableError.
    """
    inside, outside = engine_name.encode(), public_name.encode()
    cutter = sse.EventCutter()
    async for chunk in chunks:
        if not (events := cutter.cut(chunk)):
            continue
        if inside != outside:
            events = events.replace(inside, outside)
        if (broken := events.find(_ERROR)) >= 0:
            if broken:
                yield events[:broken]
            raise EngineUnavailableError(_BROKE_OFF)
        yield events
    if cutter.rest:
        yield cutter.rest.replace(inside, outside)


async def ended_cleanly(chunks: AsyncIterator[bytes], record: RequestRecord | None = None) -> AsyncIterator[bytes]:
    """Pass everything on; where the engine breaks off, end with an error event in place of ``[DONE]``.

    What goes wrong after that is nothing to the answer.
    """
    last, recorded, problem = b"", record.raw if record else None, None
    try:
        async for chunk in chunks:
            if record is not None and not last:
                record.begins()
            last = (last + chunk)[-32:]
            if recorded is not None:
                recorded.append(chunk)
            yield chunk
    except GatewayError as error:
        problem = error
    problem = None if sse.ends_done(last) else problem or EngineUnavailableError(_BROKE_OFF)
    if record is not None:
        record.engine_error = problem is not None
        record.finish()
    if problem is not None:
        yield error_event(problem)


def error_event(error: GatewayError) -> bytes:
    """The event that tells a streaming client what went wrong."""
    return sse.write(error.openai())
