"""The engine of a gateway: its phase, its adapter cache, its reconciler and supervisor."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from postil.gateway.control.reconciler import LoadFailure, Reconciler
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.engine.adapter_cache import AdapterCache
from postil.gateway.engine.client import EngineClient
from postil.gateway.engine.start_clock import retry_after
from postil.gateway.engine.supervisor import Phase, Supervisor
from postil.gateway.errors import EngineUnavailableError
from postil.gateway.inference.routing.release import LoadedRelease


class EngineHandle:
    """The engine, which starts after everything else. ``on_change`` is called when its phase changes."""

    def __init__(self, client: EngineClient, registry: RegistryHandle) -> None:
        self.client = client
        self.on_change: Callable[[], None] = lambda: None
        self._registry = registry
        self._adapter_cache: AdapterCache | None = None
        self._reconciler: Reconciler | None = None
        self._supervisor: Supervisor | None = None
        client.retry_seconds = self.retry_seconds

    @property
    def phase(self) -> Phase:
        """The phase of the engine."""
        if self._registry.problem:
            return Phase.FAILED
        return self._supervisor.phase if self._supervisor else Phase.STARTING

    @property
    def ready_by(self) -> float | None:
        """When the engine should be ready, by ``time.monotonic``; None while it is."""
        if self.phase is Phase.FAILED:  # Not by itself.
            return math.inf
        return self._supervisor.start_clock.ready_by if self._supervisor else None

    def retry_seconds(self) -> int:
        """How many seconds a client should wait before it asks the engine again."""
        return retry_after(self.ready_by, time.monotonic())

    @property
    def restarts(self) -> int:
        """The number of engine restarts."""
        return self._supervisor.restarts if self._supervisor else 0

    @property
    def adapter_cache(self) -> AdapterCache | None:
        """The adapter cache, after it is opened."""
        return self._adapter_cache

    def open_cache(self, adapter_cache: AdapterCache) -> None:
        """Set the adapter cache."""
        self._adapter_cache = adapter_cache

    def open(self, reconciler: Reconciler, supervisor: Supervisor) -> None:
        """Set the reconciler and the supervisor."""
        self._reconciler = reconciler
        self._supervisor = supervisor

    def ready(self) -> tuple[EngineClient, AdapterCache]:
        """Return the client and the adapter cache. Raises EngineUnavailableError while the engine is not ready."""
        if self.phase is not Phase.READY or self._adapter_cache is None:
            raise EngineUnavailableError(
                f"the engine is not ready ({self.phase}); try again in a moment", retry_after=self.retry_seconds()
            )
        return self.client, self._adapter_cache

    def can_serve(self, release: LoadedRelease) -> bool:
        """Return whether a release is loaded and may be served."""
        cache = self._adapter_cache
        return cache is not None and cache.can_serve(release.engine_name, release.ref.domain)

    def load_failure(self, release: LoadedRelease) -> LoadFailure | None:
        """Return why a release cannot be loaded, or None."""
        return self._reconciler.load_failure(release) if self._reconciler else None

    def pin(self, releases: Sequence[LoadedRelease], spare: int) -> None:
        """Pin the first of these releases in the cache, but leave ``spare`` slots for others."""
        cache = self._adapter_cache
        if cache is not None:
            cache.pinned = frozenset(release.engine_name for release in releases[: max(0, cache.capacity - spare)])

    def changed(self) -> None:
        """Call ``on_change`` after the phase has changed."""
        self.on_change()

    def reconcile(self) -> None:
        """Wake the reconciler, because the desired releases may have changed."""
        if self._reconciler is not None:
            self._reconciler.wake()

    async def stop(self) -> None:
        """Stop the engine if this gateway started it, and close all connections to it."""
        if self._supervisor is not None:
            await self._supervisor.stop()
        await self.client.close()
