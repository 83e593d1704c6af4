"""Probes a silent engine for one token: it may be busy with a long answer, or hung."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from postil.gateway.engine.client import EngineClient
from postil.gateway.errors import EngineKeyRefusedError, EngineUnavailableError

_LOOK_SECONDS = 0.5


async def is_making_progress(client: EngineClient, probe: Callable[[], Awaitable[object]], seconds: float) -> bool:
    """Whether it makes progress: the probe or another request is answered in time, or its token counters move.

    Where its queue is full of long answers that are not streamed, the probe waits as the others do, and only the
    engine's own count of tokens tells that from one that is hung.
    """
    tokens, beats = await client.tokens(), client.activity.ticks
    asked = asyncio.ensure_future(probe())
    try:
        async with asyncio.timeout(seconds):
            while not asked.done():
                await asyncio.wait({asked}, timeout=_LOOK_SECONDS)
                if client.activity.ticks != beats:
                    return True
                # One that does not tell its count at this moment has not counted more.
                if tokens is not None and (await client.tokens() or tokens) != tokens:
                    return True
        failed = asked.exception()
        # One that refuses the gateway's key is no help, but it answers.
        return not isinstance(failed, EngineUnavailableError) or isinstance(failed, EngineKeyRefusedError)
    except TimeoutError:
        return False
    finally:
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
