"""Background tasks that restart after a failure; failures are logged, counted and shown by readiness."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from postil.registry.backoff import Backoff

log = logging.getLogger(__name__)
Work = Callable[[], Awaitable[None]]
_BACKOFF = Backoff(0.5, 30.0)
# Seconds without a failure after which a task counts as healthy again.
_STEADY_SECONDS = 30.0
# Failures in a row after which the gateway is not ready, until the task runs again.
_BROKEN_AFTER = 3


@dataclass(slots=True)
class TaskState:
    """One task: its restarts, its failures in a row, when it was last started, and whether it runs now."""

    restarts: int = 0
    failures: int = 0
    began: float = 0.0
    running: bool = False


class BackgroundTasks:
    """Runs tasks until they are stopped; an unexpected error restarts a task.

    A task that returns is done and is not restarted. What is read of them, another thread may read (the health port's).
    """

    def __init__(
        self,
        backoff: Backoff = _BACKOFF,
        steady_seconds: float = _STEADY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backoff = backoff
        self._steady_seconds = steady_seconds
        self._clock = clock
        self._states: dict[str, TaskState] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, work: Work) -> None:
        """Run ``work`` under a name that is not in use."""
        assert name not in self._tasks, f"{name} runs already"
        self._states[name] = TaskState()
        self._tasks[name] = asyncio.create_task(self._supervise(name, work), name=name)

    async def stop(self, *names: str) -> None:
        """Stop these tasks, or all if none are named; return when they have ended."""
        ending = [self._tasks.pop(name) for name in names or tuple(self._tasks) if name in self._tasks]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    @property
    def restarts(self) -> dict[str, int]:
        """The number of restarts of each task."""
        return {name: state.restarts for name, state in self._states.copy().items()}

    @property
    def failing(self) -> list[str]:
        """Names of the tasks that failed recently, sorted."""
        return sorted(name for name in self._states.copy() if self._failures(name))

    @property
    def broken(self) -> list[str]:
        """Names of the tasks that keep failing, so that their work is not done."""
        return sorted(name for name in self._states.copy() if self._failures(name) >= _BROKEN_AFTER)

    def _failures(self, name: str) -> int:
        state = self._states[name]
        steady = state.running and self._clock() - state.began >= self._steady_seconds
        return 0 if steady else state.failures

    async def _supervise(self, name: str, work: Work) -> None:
        state = self._states[name]
        while True:
            state.began, state.running = self._clock(), True
            try:
                await work()
                return
            except Exception:
                state.failures = self._failures(name) + 1
                state.restarts += 1
                state.running = False
                pause = self._backoff.pause(state.failures)
                log.exception("background task %s failed; it starts again in %.1f s", name, pause)
            await asyncio.sleep(pause)
