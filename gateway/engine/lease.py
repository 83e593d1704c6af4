"""Leases of the engine: for one request a concurrency slot there, and its release's weights loaded."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from postil.gateway.engine.adapter_cache import AdapterCache, LoadError
from postil.gateway.engine.client import EngineClient
from postil.gateway.engine.scheduler.scheduler import Permit, Scheduler
from postil.gateway.errors import EngineUnavailableError
from postil.plugins import ReleaseRef


class NotLoadedError(EngineUnavailableError):
    """The weights cannot be loaded; nothing was asked."""


class Weights(Protocol):
    """A release's weights, and what they are called inside the engine."""

    @property
    def ref(self) -> ReleaseRef:
        """The release."""

    @property
    def artifact(self) -> str:
        """The digest of the weights."""

    @property
    def engine_name(self) -> str:
        """The name of the weights inside the engine."""

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains that must be allowed to have the weights loaded."""


class EngineLease(Protocol):
    """Acquired by ``try_acquire`` or, if that returns False, by ``wait``; the holder calls ``release`` once.

    If either raises, there is nothing to release. ``waited`` is how many seconds the request queued.
    """

    waited: float

    def try_acquire(self) -> bool:
        """Acquire it without waiting, or return False. Raises QueueFullError, DeadlinePassedError,
        EngineUnavailableError.
        """

    async def wait(self) -> None:
        """Return once it is acquired. Raises DeadlinePassedError, NotLoadedError, EngineUnavailableError."""

    def release(self) -> None:
        """Give it back, so that another request can have it."""


class LeaseProvider(Protocol):
    """Hands out leases of one engine."""

    @property
    def client(self) -> EngineClient:
        """The engine."""

    def lease(
        self, tenant: str, weights: Weights | None, cost: int, *, deadline: float | None, retry: bool
    ) -> EngineLease:
        """A lease for one request, not acquired yet. ``weights`` are None for the base; see ``Scheduler.reserve``."""

    def adapter_lost(self, name: str) -> None:
        """Note that the engine does not have the weights of this name loaded after all."""


class LocalLeases:
    """Leases of this process's engine. ``engine`` raises EngineUnavailableError while it is not ready."""

    def __init__(self, engine: Callable[[], tuple[EngineClient, AdapterCache]], scheduler: Scheduler) -> None:
        self._engine = engine
        self._scheduler = scheduler

    @property
    def client(self) -> EngineClient:
        """The engine. Raises EngineUnavailableError."""
        return self._engine()[0]

    def lease(
        self, tenant: str, weights: Weights | None, cost: int, *, deadline: float | None, retry: bool
    ) -> LocalLease:
        """A lease for one request, not acquired yet."""
        adapter, meanwhile = None, None
        if weights is not None:
            adapter, meanwhile = weights.engine_name, partial(self._prefetch, weights)
        place = self._scheduler.reserve(tenant, adapter, cost, deadline=deadline, retry=retry, meanwhile=meanwhile)
        return LocalLease(self._engine, place, weights)

    def adapter_lost(self, name: str) -> None:
        """Forget that the weights are loaded; the next request loads them again."""
        self._engine()[1].evict(name)

    def _prefetch(self, weights: Weights) -> None:
        self._engine()[1].prefetch(weights.engine_name, weights.artifact, weights.ref.domain)


class LocalLease:
    """A lease of this process's engine. It holds its slot while weights load, which bounds how many load at a time."""

    __slots__ = ("_engine", "_place", "_placed", "_weights", "waited")

    def __init__(
        self, engine: Callable[[], tuple[EngineClient, AdapterCache]], place: Permit, weights: Weights | None
    ) -> None:
        self._engine = engine
        self._place = place
        self._placed = False
        self._weights = weights
        self.waited = 0.0

    def try_acquire(self) -> bool:
        """Acquire it if a slot is free and the weights are loaded; only memory is read."""
        _, adapter_cache = self._engine()
        self._placed = self._place.try_acquire()
        if not self._placed or self._weights is None:
            return self._placed
        name = self._weights.engine_name
        return all(adapter_cache.touch(name, domain) for domain in self._weights.domains)

    async def wait(self) -> None:
        """Wait for a slot, then for the weights."""
        if not self._placed:
            began = time.monotonic()
            try:
                await self._place.wait()
            finally:
                self.waited = time.monotonic() - began
        try:
            # What has waited may find that the engine was given up meanwhile.
            _, adapter_cache = self._engine()
            if self._weights is not None:
                await _resident(adapter_cache, self._weights)
        except BaseException:
            self._place.release()
            raise

    def release(self) -> None:
        """Give the slot back."""
        self._place.release()


async def _resident(adapter_cache: AdapterCache, weights: Weights) -> None:
    try:
        for domain in weights.domains:
            await adapter_cache.ensure_loaded(weights.engine_name, weights.artifact, domain)
    except LoadError as error:
        raise NotLoadedError(f"{weights.ref} cannot be loaded now") from error
    except EngineUnavailableError as error:
        raise NotLoadedError(str(error)) from error
