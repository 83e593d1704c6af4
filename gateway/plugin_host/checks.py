"""Runs built-in checks on what takes them long, in a few processes that can be killed.

A process has one call at a time, so that the one that takes too long is killed and nobody else's with it. Processes are
started as they are needed, and end when nobody has needed them for a while.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from postil.gateway.fair_slots import FairSlots, NoSlotError
from postil.gateway.plugin_host.pending import PendingCall
from postil.gateway.plugin_host.ports import DidNotRunError
from postil.gateway.plugin_host.process import PluginProcess, ProcessEndedError, Spawn
from postil.gateway.plugin_host.protocol import ComponentSpec

# So long a process waits for more work; the last one stays.
_IDLE_SECONDS = 60.0
_LABEL = "the process of built-in checks"


@dataclass(frozen=True, slots=True)
class Work:
    """A call of a component: whose it is, what is called with which arguments (pickled), and for how long."""

    domain: str
    tenant: str
    needed: ComponentSpec
    method: str
    arguments: bytes
    seconds: float


class CheckProcesses:
    """At most ``processes`` of them."""

    def __init__(self, starter: Executor, spawn: Spawn, processes: int) -> None:
        self._starter = starter
        self._spawn = spawn
        self._slots = FairSlots(processes)
        # Since when each has had nothing to do, by the loop's clock; the one that has longest is first.
        self._idle: dict[PluginProcess, float] = {}
        self._surplus: asyncio.TimerHandle | None = None
        self._running: set[PluginProcess] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopped = False

    async def call(self, work: Work) -> Any:
        """What the method returns. The wait for a process is not counted; that for a turn may take as long again.

        Raises DidNotRunError.
        """
        try:
            await self._slots.take(work.domain, work.tenant, work.seconds)
        except NoSlotError as error:
            raise DidNotRunError(str(error)) from None
        # Whoever leaves keeps the place until the work has ended: to leave and come again gains nothing.
        task = asyncio.create_task(self._in_turn(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    @property
    def pids(self) -> list[int]:
        """The ids of the processes that run."""
        return [process.pid for process in self._running if process.pid is not None]

    async def stop(self) -> None:
        """End every process; calls in progress count as not run."""
        self._stopped = True
        if self._surplus is not None:
            self._surplus.cancel()
        processes = list(self._running)
        for process in processes:
            process.kill()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for process in processes:
            if process.pid is not None:
                await process.gone

    def ended(self, process: PluginProcess) -> None:
        """Forget a process that has ended."""
        self._running.discard(process)
        self._idle.pop(process, None)

    def stuck(self, process: PluginProcess, *, deaf: bool) -> None:
        """Kill what does not come back; it is killed at its deadline already."""
        process.kill()

    async def _in_turn(self, work: Work) -> Any:
        try:
            process = await self._process(work.needed)
            try:
                return await self._called(process, work)
            finally:
                self._put_back(process)
        finally:
            self._slots.give(work.domain, work.tenant)

    async def _called(self, process: PluginProcess, work: Work) -> Any:
        await process.prepare([work.needed])
        call = PendingCall.start(work.needed, work.method, work.arguments, work.seconds, _over)
        process.take(call)
        return await call.future

    async def _process(self, needed: ComponentSpec) -> PluginProcess:
        """One that has nothing to do; best one that has set this up before."""
        if self._stopped:
            raise DidNotRunError("was not begun: the gateway is stopping")
        if self._idle:
            latest = list(reversed(self._idle))
            process = next((one for one in latest if needed in one.ready), latest[0])
            del self._idle[process]
            return process
        process = PluginProcess(self, _LABEL)
        self._running.add(process)
        try:
            await process.start(self._starter, self._spawn)
        except ProcessEndedError as error:
            self._running.discard(process)
            raise DidNotRunError(f"was not begun: {error}") from None
        return process

    def _put_back(self, process: PluginProcess) -> None:
        if process.late:  # It is still at it, and would be for nobody.
            process.kill()
        elif not self._stopped and not process.gone.done():
            self._idle[process] = asyncio.get_running_loop().time()
            self._look_later()

    def _look_later(self) -> None:
        """See to it that what will have had nothing to do for too long is ended then."""
        if self._surplus is None and len(self._idle) > 1:
            due = next(iter(self._idle.values())) + _IDLE_SECONDS
            self._surplus = asyncio.get_running_loop().call_at(due, self._end_surplus)

    def _end_surplus(self) -> None:
        """End all that have had nothing to do for so long, but one; one that was used meanwhile stays."""
        self._surplus = None
        latest = asyncio.get_running_loop().time() - _IDLE_SECONDS
        for process in [process for process, since in self._idle.items() if since <= latest]:
            if len(self._idle) > 1:
                del self._idle[process]
                process.kill()
        self._look_later()


def _over(call: PendingCall) -> None:
    """Nothing is kept of a call."""
