"""Loads the releases that the engine should hold but does not."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

from postil.gateway.engine.adapter_cache import AdapterCache, CorruptArtifactError, LoadError
from postil.gateway.engine.client import EngineClient
from postil.gateway.errors import EngineRefusedError, EngineUnavailableError
from postil.gateway.inference import request as payload
from postil.gateway.inference.formats import Kind
from postil.gateway.inference.routing.release import LoadedRelease
from postil.registry.backoff import Backoff

log = logging.getLogger(__name__)
_BACKOFF = Backoff(1.0, 60.0)
_POLL_SECONDS = 10.0
# A release that does not answer by then is loaded all the same; others wait to be loaded after it.
_WARM_UP_SECONDS = 10.0
DesiredReleases = Sequence[tuple[LoadedRelease, list[str]]]


@dataclass(frozen=True, slots=True)
class LoadFailure:
    """A release that could not be loaded: the reason, the attempts, and the next attempt (monotonic seconds)."""

    reason: str
    attempts: int
    again_at: float


def in_order(wanted: DesiredReleases, pinned: Container[str]) -> DesiredReleases:
    """Return the desired releases, pinned ones first."""
    return sorted(wanted, key=lambda each: each[0].engine_name not in pinned)


class Reconciler:
    """Loads what ``wanted`` returns and the engine does not hold; retries failures with growing delays.

    ``wanted`` returns the most important releases first. Releases for which the engine has no room are loaded on
    request. The first ones, of default adapters, are pinned as far as there is room left for others. ``ready`` says
    whether there is an engine. ``tell`` is called for every warmed release, and ``damaged`` each time that a release's
    files differ from those published. ``warm_count`` releases are loaded before the engine counts as ready, the rest
    while it answers. ``backoff`` sets the delays between attempts; every ``poll_seconds`` the engine is asked which
    adapters it really holds.
    """

    def __init__(
        self,
        client: EngineClient,
        adapter_cache: AdapterCache,
        wanted: Callable[[], DesiredReleases],
        *,
        ready: Callable[[], bool],
        tell: Callable[[str], None],
        warm_count: int,
        damaged: Callable[[LoadedRelease, str], None] = lambda release, why: None,
        backoff: Backoff = _BACKOFF,
        poll_seconds: float = _POLL_SECONDS,
    ) -> None:
        self._client = client
        self._adapter_cache = adapter_cache
        self._wanted = wanted
        self._ready = ready
        self._tell = tell
        self._warm_count = warm_count
        self._damaged = damaged
        self._backoff = backoff
        self._poll_seconds = poll_seconds
        self._wake = asyncio.Event()
        self._failures: dict[str, LoadFailure] = {}

    def load_failure(self, release: LoadedRelease) -> LoadFailure | None:
        """Return why a release cannot be loaded, or None."""
        return None if self._served(release) else self._failures.get(release.engine_name)

    def wake(self) -> None:
        """Check now for new releases. Failed releases are still retried only when they are due."""
        self._wake.set()

    async def warm(self) -> None:
        """Load the most important releases on a new engine and send each one request, to warm compilers and caches.

        Raises EngineUnavailableError or EngineRefusedError if the base itself does not answer.
        """
        self._adapter_cache.evict()
        self._failures.clear()
        await self._client.post(Kind.CHAT.value, payload.warm_up_base())
        for release, _ in self._wanted()[: self._warm_count]:
            # One adapter that cannot be loaded must not keep the others from answering.
            if await self._load(release):
                self._tell(str(release.ref))

    async def run(self) -> None:
        """Reconcile after every change, at intervals, and when a retry is due, until cancelled."""
        while True:
            self._wake.clear()
            pause = await self._round() if self._ready() else self._poll_seconds
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                await self._see()

    async def _see(self) -> None:
        """Detect adapters that the engine lost: somebody unloaded them or restarted the engine."""
        if not self._ready():
            return
        before = self._adapter_cache.names()
        try:
            held = await self._client.loaded()
        except (EngineRefusedError, EngineUnavailableError):
            return  # The supervisor handles a failed engine.
        for name in before:
            if name not in held and self._adapter_cache.is_loaded(name):
                log.warning("the engine has lost %s", name)
                self._adapter_cache.evict(name)

    async def _round(self) -> float:
        """Load what is missing and due. Returns the seconds until the next round."""
        for release, _ in () if self._adapter_cache.full() else self._wanted():
            name = release.engine_name
            room = (
                self._adapter_cache.has_room()
                or name in self._adapter_cache.pinned
                or self._adapter_cache.is_loaded(name)
            )
            if self._served(release) or not room:
                continue
            known = self._failures.get(name)
            if known is None or known.again_at <= time.monotonic():
                await self._load(release)
        self._forget_the_rest()
        due = [failure.again_at for failure in self._failures.values()]
        return max(0.0, min([*due, time.monotonic() + self._poll_seconds]) - time.monotonic())

    def _forget_the_rest(self) -> None:
        """Drop failures of releases that are loaded by now or no longer desired."""
        if not self._failures:
            return
        missing = {release.engine_name for release, _ in self._wanted() if not self._served(release)}
        self._failures = {name: failure for name, failure in self._failures.items() if name in missing}

    def _served(self, release: LoadedRelease) -> bool:
        return self._adapter_cache.can_serve(release.engine_name, release.ref.domain)

    async def _load(self, release: LoadedRelease) -> bool:
        """Load a release and send it one request; return whether both succeeded."""
        try:
            await self._adapter_cache.ensure_loaded(release.engine_name, release.artifact, release.ref.domain)
        except Exception as error:  # Whatever the error is, the other releases must still be loaded.
            if not isinstance(error, LoadError | EngineUnavailableError):
                log.exception("%s cannot be loaded", release.ref)
            self._failed(release, str(error) or type(error).__name__)
            if isinstance(error, CorruptArtifactError):
                self._damaged(release, str(error))
            return False
        self._failures.pop(release.engine_name, None)
        try:
            async with asyncio.timeout(_WARM_UP_SECONDS):
                await self._client.post(Kind.CHAT.value, payload.warm_up(release))
        except (EngineRefusedError, EngineUnavailableError, TimeoutError) as error:
            log.warning("%s is loaded, but does not answer: %s", release.ref, str(error) or "it took too long")
            return False
        return True

    def _failed(self, release: LoadedRelease, reason: str) -> None:
        before = self._failures.get(release.engine_name)
        attempts = before.attempts + 1 if before else 1
        pause = self._backoff.pause(attempts)
        self._failures[release.engine_name] = LoadFailure(reason, attempts, time.monotonic() + pause)
        log.error("%s cannot be loaded, next try in %.0f s: %s", release.ref, pause, reason)
