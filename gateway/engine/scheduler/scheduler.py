"""The queue in front of the engine: requests wait here for their concurrency slots."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

from postil.gateway.engine.scheduler.fair_queue import FairQueue
from postil.gateway.engine.scheduler.types import (
    Adapter,
    QueueEntry,
    QueueIsFullError,
    SchedulerLimits,
    State,
    TooCostlyError,
)
from postil.gateway.errors import BadRequestError, DeadlinePassedError, QueueFullError
from postil.gateway.settings import Settings

_MOST_RETRY_SECONDS = 60


class Scheduler:
    """Lets requests through to the engine in the order of ``FairQueue``; none waits longer than ``queue_seconds``.

    While nothing waits, acquiring and releasing is arithmetic: no task, no timer, no turn of the event loop.
    """

    def __init__(self, turns: FairQueue, queue_seconds: float) -> None:
        self.queue = turns
        self._queue_seconds = queue_seconds
        self._held_seconds = 0.0
        self._look: asyncio.TimerHandle | None = None

    def reserve(
        self,
        tenant: str,
        adapter: Adapter,
        cost: int = 1,
        *,
        deadline: float | None = None,
        retry: bool = False,
        meanwhile: Callable[[], None] | None = None,
    ) -> Permit:
        """A permit for one request, not acquired yet, for as many slots as it ``cost``s.

        ``deadline`` is by ``time.monotonic``. A ``retry`` goes ahead of its tenant's others, and is not
        refused. ``meanwhile`` is called if the request has to wait.
        """
        return Permit(self, QueueEntry(tenant, adapter, cost), deadline, retry, meanwhile)

    def is_in_flight(self, adapter: str) -> bool:
        """Whether an adapter is in flight."""
        return self.queue.is_in_flight(adapter)

    def try_acquire(self, entry: QueueEntry, *, retry: bool) -> bool:
        """Add a request and return whether it may go at once. Raises QueueFullError, BadRequestError."""
        try:
            return self.queue.arrive(entry, time.monotonic(), ahead=retry)
        except QueueIsFullError:
            raise QueueFullError(
                "too many requests wait already; send fewer at a time", retry_after=self._retry_after(entry.tenant)
            ) from None
        except TooCostlyError:
            raise BadRequestError(
                f"the request asks for {entry.cost} answers, and the engine takes {self.queue.limits.in_flight} at a"
                " time; ask for fewer"
            ) from None

    def release(self, entry: QueueEntry) -> None:
        """Remove a request that has its answer or was given up."""
        now = time.monotonic()
        if entry.state is State.RUNNING:
            self._held_seconds += (now - entry.started - self._held_seconds) / 16
        self.queue.release(entry, now)
        if self.queue.waiting:
            self._go(now)

    async def wait(self, entry: QueueEntry, deadline: float | None) -> None:
        """Wait for the turn of a request that could not go at once. Raises DeadlinePassedError."""
        loop = asyncio.get_running_loop()
        entry.wake = loop.create_future()
        self._go(time.monotonic())
        until = entry.arrived + self._queue_seconds
        if deadline is not None:
            until = min(until, deadline)
        timer = loop.call_later(until - time.monotonic(), self._expire, entry)
        try:
            if not await entry.wake:
                raise _too_late()
        finally:
            timer.cancel()

    def _expire(self, entry: QueueEntry) -> None:
        if entry.state is State.WAITING:
            self.release(entry)
            if not entry.wake.done():  # Else its client leaves at this moment.
                entry.wake.set_result(False)

    def _go(self, now: float) -> None:
        """Wake every request that may go, and schedule the next look."""
        for entry in self.queue.grants(now):
            if not entry.wake.done():  # Else it is being cancelled at this moment, and leaves by itself.
                entry.wake.set_result(True)
        if self._look is not None:
            self._look.cancel()
            self._look = None
        at = self.queue.next_look()
        if at is not None:
            pause = max(0.0, at - now)
            self._look = asyncio.get_running_loop().call_later(pause, self._looked)

    def _looked(self) -> None:
        self._look = None
        self._go(time.monotonic())

    def _retry_after(self, tenant: str) -> int:
        """About how many seconds until this tenant's waiting requests are through."""
        ahead = max(self.queue.waiting_of(tenant), 1) * self._held_seconds / self.queue.limits.in_flight
        return min(max(1, math.ceil(ahead)), _MOST_RETRY_SECONDS)


def make_scheduler(settings: Settings) -> Scheduler:
    """A scheduler with the limits of these settings."""
    limits = SchedulerLimits(
        settings.max_concurrent_requests,
        settings.max_loras,
        settings.queue_per_tenant,
        settings.queue_total,
        settings.adapter_wait_seconds,
    )
    return Scheduler(FairQueue(limits, settings.tenant_weights), settings.queue_timeout_seconds)


class Permit:
    """One request's concurrency slots at the engine; the holder releases them once."""

    __slots__ = ("_deadline", "_gate", "_meanwhile", "_retry", "_ticket")

    def __init__(
        self,
        gate: Scheduler,
        entry: QueueEntry,
        deadline: float | None,
        retry: bool,
        meanwhile: Callable[[], None] | None,
    ) -> None:
        self._gate = gate
        self._ticket = entry
        self._deadline = deadline
        self._retry = retry
        self._meanwhile = meanwhile

    def try_acquire(self) -> bool:
        """Acquire it without waiting, or return False: see ``wait``. Raises QueueFullError, DeadlinePassedError,
        BadRequestError.
        """
        if self._deadline is not None and self._deadline <= time.monotonic():
            raise _too_late()
        return self._gate.try_acquire(self._ticket, retry=self._retry)

    async def wait(self) -> None:
        """Wait until it is acquired. Raises DeadlinePassedError; then there is nothing to release."""
        try:
            if self._meanwhile is not None:
                self._meanwhile()
            await self._gate.wait(self._ticket, self._deadline)
        except BaseException:
            self._gate.release(self._ticket)  # Whether it was its turn already or not.
            raise

    def release(self) -> None:
        """Give the slots back."""
        self._gate.release(self._ticket)


def _too_late() -> DeadlinePassedError:
    return DeadlinePassedError("queue timeout exceeded: the request was not sent to the engine; ask again later")
