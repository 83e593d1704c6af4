"""Closes the difference between the releases that are wanted and those that the engine holds."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from postil.gateway import payload
from postil.gateway.catalog import Servable
from postil.gateway.engine.client import EngineClient
from postil.gateway.engine.residency import LoadError, Residency
from postil.gateway.errors import EngineRefusedError, EngineUnavailableError

log = logging.getLogger(__name__)
_BACKOFF_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
Wanted = Sequence[tuple[Servable, list[str]]]


@dataclass(frozen=True, slots=True)
class Trouble:
    """A release that could not be loaded: why, how often it was tried, and when it is tried again (monotonic)."""

    reason: str
    attempts: int
    again_at: float


class Reconciler:
    """Loads what ``wanted`` names whenever the engine does not hold it; tries again, later each time, what fails.

    ``ready`` says whether there is an engine to load into; ``tell`` hears of every release that was warmed.
    """

    def __init__(
        self,
        client: EngineClient,
        residency: Residency,
        wanted: Callable[[], Wanted],
        *,
        ready: Callable[[], bool],
        tell: Callable[[str], None],
    ) -> None:
        self._client = client
        self._residency = residency
        self._wanted = wanted
        self._ready = ready
        self._tell = tell
        self._wake = asyncio.Event()
        self._trouble: dict[str, Trouble] = {}

    def trouble(self, release: Servable) -> Trouble | None:
        """What keeps a release from being loaded, if anything does."""
        return self._trouble.get(release.engine_name)

    def wake(self) -> None:
        """Something has changed: look now, whatever the back-off."""
        self._trouble.clear()
        self._wake.set()

    async def warm(self) -> None:
        """A new engine: load everything and ask each once, as a client would; compilers and caches start cold.

        Raises EngineUnavailableError or EngineRefusedError if the base itself does not answer.
        """
        self._residency.forget()
        self._trouble.clear()
        await self._client.post(payload.Kind.CHAT.value, payload.warm_up_base())
        for release, _ in self._wanted():
            # One adapter that cannot be loaded must not keep the others from answering.
            if await self._load(release):
                self._tell(str(release.ref))

    async def run(self) -> None:
        """Look after every change, and whenever something that failed is due again; until cancelled."""
        while True:
            self._wake.clear()
            pause = await self._round() if self._ready() else None
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _round(self) -> float | None:
        """Load what is missing and due. Returns in how many seconds something is due next, or None."""
        for release, _ in self._wanted():
            known = self._trouble.get(release.engine_name)
            if self._residency.holds(release.engine_name) or (known and known.again_at > time.monotonic()):
                continue
            await self._load(release)
        due = [
            known.again_at
            for release, _ in self._wanted()
            if (known := self._trouble.get(release.engine_name)) and not self._residency.holds(release.engine_name)
        ]
        return max(0.0, min(due) - time.monotonic()) if due else None

    async def _load(self, release: Servable) -> bool:
        try:
            await self._residency.ensure(release.engine_name, release.artifact)
            await self._client.post(payload.Kind.CHAT.value, payload.warm_up(release))
        except (LoadError, EngineRefusedError, EngineUnavailableError) as error:
            before = self._trouble.get(release.engine_name)
            attempts = before.attempts + 1 if before else 1
            pause = _BACKOFF_SECONDS[min(attempts, len(_BACKOFF_SECONDS)) - 1]
            self._trouble[release.engine_name] = Trouble(str(error), attempts, time.monotonic() + pause)
            log.error("%s cannot be loaded, next try in %.0f s: %s", release.ref, pause, error)
            return False
        self._trouble.pop(release.engine_name, None)
        return True
