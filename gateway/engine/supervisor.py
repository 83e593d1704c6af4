"""Keeps an engine running, and says when it is ready and when it is not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from enum import StrEnum

from postil.gateway.engine.client import EngineClient
from postil.gateway.engine.process import EngineProcess
from postil.gateway.errors import EngineRefusedError, EngineUnavailableError

log = logging.getLogger(__name__)
_POLL_SECONDS = 0.25
_BACKOFF_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
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
    every change of phase, with a reason.
    """

    def __init__(
        self,
        client: EngineClient,
        launch: Callable[[], EngineProcess] | None,
        *,
        warm: Callable[[], Awaitable[None]],
        tell: Callable[[Phase, str], None],
        start_seconds: float,
    ) -> None:
        self._client = client
        self._launch = launch
        self._warm = warm
        self._tell = tell
        self._start_seconds = start_seconds
        self.phase = Phase.STOPPED
        self.restarts = 0
        self._was_ready = False
        self.process: EngineProcess | None = None

    async def run(self) -> None:
        """Run until cancelled, or until an engine that was never ready has failed a few times."""
        failures, was_ready = 0, False
        while True:
            self._was_ready = False
            reason = await self._once()
            was_ready = was_ready or self._was_ready
            failures = 1 if self._was_ready else failures + 1
            if not was_ready and self._launch and failures >= _FIRST_ATTEMPTS:
                self._set(Phase.FAILED, reason)
                return
            self._set(Phase.DOWN, reason)
            await asyncio.sleep(_BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS)) - 1])
            self.restarts += 1

    async def stop(self) -> None:
        """End the engine; ``run`` has been cancelled."""
        if self.process is not None:
            await self.process.stop()
        self._set(Phase.STOPPED, "stopped")

    async def _once(self) -> str:
        """One life of the engine, from its start to its end; returns why it ended."""
        self._set(Phase.STARTING, "starting the engine")
        if self._launch is None:
            return await self._watch()
        self.process = process = self._launch()
        await process.start()
        ended = asyncio.create_task(process.ended())
        up = asyncio.create_task(self._bring_up())
        try:
            await asyncio.wait({ended, up}, return_when=asyncio.FIRST_COMPLETED)
            if up.done() and (problem := up.result()):
                return problem
            await ended
            # Known at once, so that nobody is sent to an engine that is no more while its remains are cleared away.
            self.phase = Phase.DOWN
            status, words = await process.wait(), process.last_words()
            return f"the engine ended with status {status}{': ' + words if words else ''}"
        finally:
            for task in (up, ended):
                task.cancel()
            await process.stop()

    async def _watch(self) -> str:
        if problem := await self._bring_up():
            return problem
        while await self._client.healthy():  # noqa: ASYNC110 - nobody over there can set an event
            await asyncio.sleep(4 * _POLL_SECONDS)
        return "the engine does not answer its health check"

    async def _bring_up(self) -> str | None:
        """Wait until it is healthy, then warm it. Returns what went wrong, or None when it is ready."""
        try:
            async with asyncio.timeout(self._start_seconds):
                while not await self._client.healthy():  # noqa: ASYNC110 - nobody over there can set an event
                    await asyncio.sleep(_POLL_SECONDS)
                self._set(Phase.WARMING, "loading the live adapters")
                await self._warm()
        except TimeoutError:
            return f"the engine was not ready after {self._start_seconds:.0f} seconds"
        except (EngineUnavailableError, EngineRefusedError) as error:
            return f"the engine could not be warmed: {error}"
        self._was_ready = True
        self._set(Phase.READY, "ready")
        return None

    def _set(self, phase: Phase, reason: str) -> None:
        self.phase = phase
        log.info("engine %s: %s", phase, reason)
        self._tell(phase, reason)
