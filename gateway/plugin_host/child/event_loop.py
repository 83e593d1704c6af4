"""In the plugins' process: an event loop for coroutines, in its own thread."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Coroutine
from typing import Any


class Coroutines:
    """An event loop that no exception of a coroutine ends."""

    class TooLateError(Exception):
        """The coroutine did not finish in time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    @classmethod
    def start(cls) -> Coroutines:
        """A loop that runs, in a thread that ends with the process."""
        started = cls(asyncio.new_event_loop())
        threading.Thread(target=started._run, daemon=True).start()
        return started

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine in the loop."""
        asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    async def until(self, due: float, result: Awaitable[object]) -> object:
        """Await a result until then (by the monotonic clock). Raises TooLateError."""
        try:
            async with asyncio.timeout(due - time.monotonic()) as limit:
                return await result
        except TimeoutError:
            if limit.expired():
                raise self.TooLateError from None
            raise

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        while True:
            try:
                self._loop.run_forever()
            except BaseException:  # noqa: S112 - a task of a plugin's own that calls sys.exit comes out here
                continue
