"""Server-sent events passing through: cut at event boundaries, renamed, never ending as if whole when they are not."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from postil.gateway.errors import EngineUnavailableError, GatewayError

_END = b"\n\n"


async def renamed(chunks: AsyncIterator[bytes], engine_name: str, public_name: str) -> AsyncIterator[bytes]:
    """Pass whole events on, one write per read, with the engine's name for the release replaced.

    The engine's name is made from a digest, so that its bytes mean nothing else wherever they occur.
    """
    inside, outside = engine_name.encode(), public_name.encode()
    held = b""
    async for chunk in chunks:
        held += chunk
        whole, separator, rest = held.rpartition(_END)
        if separator:
            held = rest
            yield whole.replace(inside, outside) + separator
    if held:
        yield held.replace(inside, outside)


async def ended_cleanly(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pass everything on; where the engine breaks off, end with an error event in place of ``[DONE]``."""
    last = b""
    try:
        async for chunk in chunks:
            last = (last + chunk)[-32:]
            yield chunk
    except GatewayError as error:
        yield error_event(error)
        return
    if not last.rstrip().endswith(b"data: [DONE]"):
        yield error_event(EngineUnavailableError("the engine broke off in the middle of the answer; ask again"))


def error_event(error: GatewayError) -> bytes:
    """The event that tells a streaming client what went wrong."""
    return b"data: " + msgspec.json.encode(error.openai()) + _END
