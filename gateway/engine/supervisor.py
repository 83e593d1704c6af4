"""Keeps vLLM running, and says when it is ready."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from enum import StrEnum

from postil.gateway.engine.client import EngineClient, Health
from postil.gateway.engine.health.hang_probe import is_making_progress
from postil.gateway.engine.process.child import EngineProcess
from postil.gateway.engine.start_clock import StartClock
from postil.gateway.errors import EngineRefusedError, EngineUnavailableError
from postil.registry.backoff import Backoff

log = logging.getLogger(__name__)
_POLL_SECONDS = 0.25
_WATCH_SECONDS = 1.0
_SILENT_POLLS = 3
# One that was found unable to go on mostly ends by itself; what it ended with says more than who found it.
_LAST_SECONDS = 2.0
_BACKOFF = Backoff(0.5, 30.0)
# One that was ready for less has to wait longer each time: it may be what it is asked that ends it.
_STEADY_SECONDS = 60.0
# How long it gets for one token; less where it is to be found hung sooner than that.
_PROBE_SECONDS = 15.0
# An engine that never came up will not come up the tenth time either.
_FIRST_ATTEMPTS = 3


class Phase(StrEnum):
    """What the engine is doing."""

    STARTING = "starting"
    WARMING = "warming"
    READY = "ready"
    DOWN = "down"
    FAILED = "failed"
    STOPPED = "stopped"


class Supervisor:
    """Starts the engine, has it warmed, watches it, and starts it again when it ends.

    ``launch`` makes a new process, or is None where the engine is somebody else's and only watched.
    ``warm`` is awaited each time the engine has become healthy, before it counts as ready; ``tell`` hears of
    every change of phase, with a reason, and ``moved`` as soon as ``phase`` is another one. Where requests wait and
    nothing has come for ``stall_seconds`` (0: for ever), ``probe`` asks it for one token; an engine from which none
    comes is hung, whatever it says of its health.
    """

    def __init__(
        self,
        client: EngineClient,
        launch: Callable[[], EngineProcess] | None,
        *,
        warm: Callable[[], Awaitable[None]],
        tell: Callable[[Phase, str], None],
        start_seconds: float,
        probe: Callable[[], Awaitable[object]],
        stall_seconds: float,
        moved: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._launch = launch
        self._warm = warm
        self._tell = tell
        self._moved = moved
        self._start_seconds = start_seconds
        self._probe = probe
        self._stall_seconds = stall_seconds
        self._probe_seconds = min(stall_seconds or _PROBE_SECONDS, _PROBE_SECONDS)
        self.phase = Phase.STOPPED
        self.restarts = 0
        self.start_clock = StartClock()
        self._ready_at: float | None = None
        self.process: EngineProcess | None = None
        self._alarm = asyncio.Event()
        client.on_unhealthy = self._sick

    async def run(self) -> None:
        """Run until cancelled, or until an engine that was never ready has failed a few times."""
        failures, was_ready = 0, False
        while True:
            self._ready_at = None
            reason = await self._once()
            was_ready = was_ready or self._ready_at is not None
            failures = 1 if self._was_steady() else failures + 1
            if not was_ready and self._launch and failures >= _FIRST_ATTEMPTS:
                self._set(Phase.FAILED, reason)
                return
            pause = _BACKOFF.pause(failures)
            self._set(Phase.DOWN, reason, pause)
            await asyncio.sleep(pause)
            self.restarts += 1

    def _was_steady(self) -> bool:
        return self._ready_at is not None and time.monotonic() - self._ready_at >= _STEADY_SECONDS

    async def stop(self) -> None:
        """End the engine; ``run`` has been cancelled."""
        if self.process is not None:
            await self.process.stop()
        self._set(Phase.STOPPED, "stopped")

    async def _once(self) -> str:
        """Run the engine once, from start to end; returns why it ended."""
        self._set(Phase.STARTING, "starting the engine")
        self._alarm.clear()
        if self._launch is None:
            return await self._live()
        self.process = process = self._launch()
        await process.start()
        ended, life = asyncio.create_task(process.ended()), asyncio.create_task(self._live())
        try:
            await asyncio.wait({ended, life}, return_when=asyncio.FIRST_COMPLETED)
            if self._alarm.is_set():
                await asyncio.wait({ended}, timeout=_LAST_SECONDS)
            if not ended.done():
                return life.result()
            # Known at once, so that nobody is sent to an engine that is no more while its remains are cleared away.
            self._is(Phase.DOWN)
            status, words = await process.wait(), process.last_words()
            return f"the engine ended with status {status}{': ' + words if words else ''}"
        finally:
            for task in (life, ended):
                task.cancel()
            await process.stop()

    async def _live(self) -> str:
        """Start the engine and watch it; returns what went wrong."""
        return await self._bring_up() or await self._watch()

    async def _watch(self) -> str:
        silent = 0
        while silent < _SILENT_POLLS:
            try:
                async with asyncio.timeout(_WATCH_SECONDS):
                    await self._alarm.wait()
                return "the engine lost its core, or listens no more"
            except TimeoutError:
                health = await self._client.health()
            if health is Health.UNHEALTHY:
                return "the engine says that it is not healthy, or listens no more"
            if health is Health.HEALTHY and await self._hung():
                return "the engine answers its health check, but no request"
            silent = silent + 1 if health is Health.SILENT else 0
        return "the engine does not answer its health check"

    async def _goes_on(self) -> bool:
        return self._launch is not None or await is_making_progress(self._client, self._probe, self._probe_seconds)

    async def _hung(self) -> bool:
        """Whether the engine hangs; then no more requests are sent to it, and those that wait fail at once."""
        if not 0 < self._stall_seconds <= self._client.activity.silent_seconds:
            return False
        if await is_making_progress(self._client, self._probe, self._probe_seconds):
            return False
        self._is(Phase.DOWN)
        await self._client.cut()
        return True

    def _sick(self) -> None:
        """Send no more requests to an engine that cannot go on, and restart it."""
        if self.phase is Phase.READY:
            self._is(Phase.DOWN)
            self._alarm.set()

    async def _bring_up(self) -> str | None:
        """Wait until it is healthy, then warm it. Returns what went wrong, or None when it is ready."""
        try:
            async with asyncio.timeout(self._start_seconds):
                while not await self._client.healthy():  # noqa: ASYNC110 - nobody over there can set an event
                    await asyncio.sleep(_POLL_SECONDS)
                if self.process is not None:
                    self.process.close_door()
                # One that is not ours may be hung still: one request at a time finds out, and nobody waits for it.
                while not await self._goes_on():  # noqa: ASYNC110 - as above
                    await asyncio.sleep(_POLL_SECONDS)
                self._set(Phase.WARMING, "loading the live adapters")
                await self._warm()
        except TimeoutError:
            return f"the engine was not ready after {self._start_seconds:.0f} seconds"
        except (EngineUnavailableError, EngineRefusedError) as error:
            return f"the engine could not be warmed: {error}"
        self._ready_at = time.monotonic()
        self._set(Phase.READY, "ready")
        return None

    def _is(self, phase: Phase, pause: float = 0.0) -> None:
        if phase is Phase.READY:
            self.start_clock.is_ready()
        elif phase in (Phase.STARTING, Phase.DOWN):
            self.start_clock.starts(pause)
        self.phase = phase
        self._moved()

    def _set(self, phase: Phase, reason: str, pause: float = 0.0) -> None:
        self._is(phase, pause)
        log.info("engine %s: %s", phase, reason)
        self._tell(phase, reason)
