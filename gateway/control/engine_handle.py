"""The engine of a gateway: what it is doing, what it holds, and who sees to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from postil.gateway.control.reconciler import LoadFailure, Reconciler
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.engine.adapter_cache import AdapterCache
from postil.gateway.engine.client import EngineClient
from postil.gateway.engine.supervisor import Phase, Supervisor
from postil.gateway.errors import EngineUnavailableError
from postil.gateway.inference.routing.release import LoadedRelease


class EngineHandle:
    """The engine, which comes up after everything else. ``on_change`` hears of each change of its phase."""

    def __init__(self, client: EngineClient, registry: RegistryHandle) -> None:
        self.client = client
        self.on_change: Callable[[], None] = lambda: None
        self._registry = registry
        self._adapter_cache: AdapterCache | None = None
        self._reconciler: Reconciler | None = None
        self._supervisor: Supervisor | None = None

    @property
    def phase(self) -> Phase:
        """What the engine is doing."""
        if self._registry.problem:
            return Phase.FAILED
        return self._supervisor.phase if self._supervisor else Phase.STARTING

    @property
    def restarts(self) -> int:
        """How often the engine had to be started again."""
        return self._supervisor.restarts if self._supervisor else 0

    @property
    def adapter_cache(self) -> AdapterCache | None:
        """What the engine holds, once there is somewhere to load from."""
        return self._adapter_cache

    def open_cache(self, adapter_cache: AdapterCache) -> None:
        """From now on there is somewhere to load from."""
        self._adapter_cache = adapter_cache

    def open(self, reconciler: Reconciler, supervisor: Supervisor) -> None:
        """From now on there is an engine to be looked after."""
        self._reconciler = reconciler
        self._supervisor = supervisor

    def ready(self) -> tuple[EngineClient, AdapterCache]:
        """The engine and what it holds. Raises EngineUnavailableError while it is not ready."""
        if self.phase is not Phase.READY or self._adapter_cache is None:
            raise EngineUnavailableError(f"the engine is not ready ({self.phase}); try again in a moment")
        return self.client, self._adapter_cache

    def can_serve(self, release: LoadedRelease) -> bool:
        """Whether the engine has a release loaded, and it may be answered by."""
        cache = self._adapter_cache
        return cache is not None and cache.can_serve(release.engine_name, release.ref.domain)

    def load_failure(self, release: LoadedRelease) -> LoadFailure | None:
        """What keeps a release from being loaded, if anything does."""
        return self._reconciler.load_failure(release) if self._reconciler else None

    def pin(self, releases: Sequence[LoadedRelease], spare: int) -> None:
        """Keep these in the engine, the first of them, so far as that leaves ``spare`` places for others."""
        cache = self._adapter_cache
        if cache is not None:
            cache.pinned = frozenset(release.engine_name for release in releases[: max(0, cache.capacity - spare)])

    def changed(self) -> None:
        """The engine's phase is another one."""
        self.on_change()

    def reconcile(self) -> None:
        """What has to be loaded may be something else now: look again."""
        if self._reconciler is not None:
            self._reconciler.wake()

    async def stop(self) -> None:
        """End the engine, if it is ours, and close every connection to it."""
        if self._supervisor is not None:
            await self._supervisor.stop()
        await self.client.close()
