"""Threads for work that may take long, apart from those of short work: one kind of work holds up no other.

The loop's own threads (``asyncio.to_thread``) are for short work with the database, and keys have one for themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ParamSpec, TypeVar

from postil.gateway.errors import BusyError
from postil.gateway.fair_slots import FairSlots, NoSlotError

P = ParamSpec("P")
T = TypeVar("T")
# For short work with the database; more than that it would not do at a time.
SHORT_WORK = 12
# So long work waits for a thread.
_WAIT_SECONDS = 120.0


class Threads:
    """``count`` threads for one kind of work. Of them a domain gets half at most, and whoever asks there half of that.

    ``what`` completes the sentence "too many ... are under way".
    """

    def __init__(self, what: str, count: int, *, wait_seconds: float = _WAIT_SECONDS) -> None:
        self._what = what
        self._wait_seconds = wait_seconds
        self._slots = FairSlots(count)
        self._threads = ThreadPoolExecutor(count, what)
        self._working: set[asyncio.Task[object]] = set()

    async def run(self, domain: str, who: str, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """What a function returns, called in a thread when it is its turn. Raises BusyError.

        A thread cannot be ended: whoever leaves meanwhile leaves the thread at work, and its place taken.
        """
        try:
            await self._slots.take(domain, who, self._wait_seconds)
        except NoSlotError:
            raise BusyError(f"too many {self._what} are under way; try again in a moment") from None
        task = asyncio.create_task(self._worked(domain, who, partial(function, *arguments, **named)))
        self._working.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def close(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _worked(self, domain: str, who: str, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._slots.give(domain, who)

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._working.discard(task)
        if not task.cancelled():
            task.exception()  # Whoever asked may have left; then nobody wants it.


@dataclass(frozen=True, slots=True)
class ThreadPools:
    """The kinds of slow work of a gateway: downloads from hubs, the work on what was uploaded, ..."""

    downloads: Threads = field(default_factory=lambda: Threads("downloads", 8))
    publishing: Threads = field(default_factory=lambda: Threads("uploads", 4))
    # Setting up the plugins of a release that is to be served.
    catalog: Threads = field(default_factory=lambda: Threads("changes of releases", 8))
    # Exports, comparisons, reports and the verification of the log.
    reports: Threads = field(default_factory=lambda: Threads("exports and reports", 4))

    # Verifying the files of adapters that are to be loaded.
    loads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, "loads"))

    def close(self) -> None:
        """Begin nothing more."""
        self.loads.shutdown(wait=False, cancel_futures=True)
        for threads in (self.downloads, self.publishing, self.catalog, self.reports):
            threads.close()


async def finished(work: Coroutine[Any, Any, T], *, on_cancel: Callable[[], None] = lambda: None) -> T:
    """Run the work to its end even if cancelled: a thread cannot be cancelled, and what it works on must stay."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        on_cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # Nobody wants it any more.
        raise


def bound_short_work() -> None:
    """Give the running loop the threads for short work."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(SHORT_WORK, "short-work"))
