"""Comments in streams that are silent, so that no proxy takes them for dead. Clients pass over them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

COMMENT = b": keep-alive\n\n"


async def _nothing() -> None:
    """Say nothing."""


class StreamComments:
    """Calls ``say`` after ``seconds`` of silence, and so on (0: never). Whoever sends anything sets ``quiet`` to False.

    The clock is looked at once in that time, so that a silence may last for twice as long.
    """

    __slots__ = ("_say", "_saying", "_seconds", "_timer", "quiet")

    def __init__(self, say: Callable[[], Awaitable[None]], seconds: float) -> None:
        self._say = say
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._saying: asyncio.Task[None] | None = None
        self.quiet = True

    def start(self) -> None:
        """Begin, if it has not begun."""
        if self._timer is None and self._seconds:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._look)

    async def settle(self) -> None:
        """Say no more; return when nothing is being said."""
        self._stop()
        if self._saying is not None:
            await self._saying

    def cancel(self) -> None:
        """Say no more, at once."""
        self._stop()
        self._say = _nothing  # Else each request leaves a ring of objects behind, which only the collector finds.
        if self._saying is not None:
            self._saying.cancel()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._seconds, self._look)
        # What was said before may still wait for its reader.
        if self.quiet and (self._saying is None or self._saying.done()):
            self._saying = loop.create_task(self._said())
        self.quiet = True

    async def _said(self) -> None:
        with suppress(OSError):  # A client that is gone is noticed by who reads from it.
            await self._say()
