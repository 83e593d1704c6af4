"""The process of one domain's installed plugins, and its replacement when it ends or hangs."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from concurrent.futures import Executor
from typing import Any

from postil.gateway.plugin_host.pending import PendingCall
from postil.gateway.plugin_host.ports import DidNotRunError
from postil.gateway.plugin_host.process import PluginProcess, ProcessEndedError, Spawn
from postil.gateway.plugin_host.protocol import ComponentSpec
from postil.registry.backoff import Backoff

log = logging.getLogger(__name__)
# What may wait or be under way in one domain; beyond it a call is refused at once.
_CALLS, _BYTES = 256, 64 << 20
# A process that is replaced lets its calls end; so many at a time.
_LEAVING = 2
# Pauses between two starts, as long as processes do not last.
_BACKOFF, _LASTS = Backoff(0.1, 5.0), 30.0


class DomainProcess:
    """The processes of one domain: the current one, and at times one that starts and one that ends."""

    def __init__(self, name: str, starter: Executor, spawn: Spawn) -> None:
        self._label = f"the plugins' process of {name}"
        self._starter = starter
        self._spawn = spawn
        self._current: PluginProcess | None = None
        self._next: PluginProcess | None = None
        self._leaving: dict[PluginProcess, None] = {}
        self._waiting: dict[PendingCall, None] = {}
        # What the next process has to set up before it takes over.
        self._wanted: dict[ComponentSpec, None] = {}
        self._coming: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._starts = 0
        self._started_at = 0.0
        self._calls = 0
        self._bytes = 0

    @property
    def pid(self) -> int | None:
        """The id of the process that takes calls now."""
        return self._current.pid if self._current else None

    async def call(self, needed: ComponentSpec, method: str, arguments: bytes, seconds: float) -> Any:
        """What the method returns. Raises DidNotRunError."""
        if self._stopping.is_set():
            raise DidNotRunError("was cut off: the gateway is stopping")
        late, unsent = (self._current.late, self._current.unsent) if self._current else (0, 0)
        if self._calls + late >= _CALLS or max(self._bytes, unsent) > _BYTES:
            raise DidNotRunError("was not begun: its domain's queue is full")
        self._calls += 1
        self._bytes += len(arguments)
        call = PendingCall.start(needed, method, arguments, seconds, self._over)
        self._hand_on(call)
        return await call.future

    def prepare(self, components: Iterable[ComponentSpec]) -> None:
        """Set components up before they are called."""
        wanted = dict.fromkeys(components)
        if not wanted or self._stopping.is_set():
            return
        if self._current is not None:
            self._current.begin(wanted)
        if self._current is None or self._coming is not None:
            self._wanted |= wanted
            self._come()

    async def prepared(self, components: Iterable[ComponentSpec]) -> None:
        """Set components up; return when the process that takes calls has each, or could not set it up."""
        wanted = list(components)
        self.prepare(wanted)
        while self._coming is not None:  # One that ended over them is followed by another.
            await asyncio.wait({self._coming})
        if self._current is not None:
            await self._current.prepare(wanted)

    async def stop(self) -> None:
        """End every process; return when they have ended."""
        self._stopping.set()
        processes = [process for process in (self._current, self._next, *self._leaving) if process is not None]
        for process in processes:
            process.kill()
        if self._coming is not None:
            await asyncio.gather(self._coming, return_exceptions=True)
        for process in processes:
            if process.pid is not None:
                await process.gone
        for call in list(self._waiting):
            call.fail("was cut off: the gateway is stopping")
        self._waiting.clear()

    def expired(self, call: PendingCall) -> str:
        """Give up a call that waits for a process."""
        self._waiting.pop(call, None)
        return "waited for its process for"

    def ended(self, process: PluginProcess) -> None:
        """Replace a process that has ended."""
        self._leaving.pop(process, None)
        if process is self._current:
            self._current = None
            if not self._stopping.is_set():
                log.warning("%s ended (status %s); it is started again", self._label, process.status)
                self._wanted = dict.fromkeys(process.ready)
                self._come()

    def stuck(self, process: PluginProcess, *, deaf: bool) -> None:
        """Replace a process that hangs; one that still answers pings takes calls until then."""
        if process is not self._current or self._stopping.is_set():
            return
        log.warning("a call in %s does not come back; it is replaced", self._label)
        self._wanted = dict.fromkeys(process.ready)
        if deaf:
            self._current = None
            self._let_go(process)
        self._come()

    def _hand_on(self, call: PendingCall) -> None:
        if self._current is not None:
            self._current.take(call)
        else:
            call.holder = self
            self._waiting[call] = None
            self._come()

    def _over(self, call: PendingCall) -> None:
        self._calls -= 1
        self._bytes -= len(call.arguments)

    def _come(self) -> None:
        """Start a process, unless one is starting already."""
        if self._coming is None and not self._stopping.is_set():
            self._coming = asyncio.create_task(self._bring_up())

    async def _bring_up(self) -> None:
        """Start processes until one stays up, and make it the current one."""
        try:
            while not self._stopping.is_set():
                await self._paused()
                try:
                    await self._start()
                    break
                except ProcessEndedError as error:
                    if not self._stopping.is_set():
                        log.warning("%s: %s", self._label, error)
                    # It may have ended over one of these: the next ones come when they are called.
                    self._wanted = {}
        finally:
            self._coming = self._next = None

    async def _paused(self) -> None:
        """Pause between starts that follow each other closely; longer each time."""
        now = time.monotonic()
        lasted = now - self._started_at
        self._starts = 0 if lasted > _LASTS else self._starts + 1
        pause = _BACKOFF.pause(self._starts) if self._starts else 0.0
        try:
            async with asyncio.timeout(max(0.0, pause - lasted)):
                await self._stopping.wait()
        except TimeoutError:
            pass
        self._started_at = time.monotonic()

    async def _start(self) -> None:
        process = self._next = PluginProcess(self, self._label)
        await process.start(self._starter, self._spawn)
        if self._current is not None:
            await process.prepare(list(self._wanted))
        self._take_over(process)

    def _take_over(self, process: PluginProcess) -> None:
        if process.gone.done():
            raise ProcessEndedError("it ended while its components were set up")
        before, self._current, self._next = self._current, process, None
        process.begin(self._wanted)
        if before is not None:
            self._let_go(before)
        waiting, self._waiting = list(self._waiting), {}
        for call in waiting:
            process.take(call)

    def _let_go(self, process: PluginProcess) -> None:
        """Let a process finish its calls; those that were not sent go to another."""
        self._leaving[process] = None
        for call in process.retire():
            self._hand_on(call)
        while len(self._leaving) > _LEAVING:
            oldest = next(iter(self._leaving))
            del self._leaving[oldest]
            oldest.kill()
