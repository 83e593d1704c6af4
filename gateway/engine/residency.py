"""Which artifacts the engine holds: loads what is missing, once, however many ask for it, and lets go what is not used.

Unloading only makes vLLM forget the name. Its memory for adapters is a cache of ``--max-cpu-loras`` places that drops
what was not used for longest; as many are kept here, by the same rule, so that both hold about the same ones.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from postil.gateway.engine.client import EngineClient
from postil.gateway.errors import EngineRefusedError, EngineUnavailableError
from postil.registry.artifacts import ArtifactStore
from postil.registry.errors import ArtifactError


class LoadError(Exception):
    """An artifact could not be loaded; the text says why, for the people who run the gateway."""


class Residency:
    """What was loaded since the engine last started: at most ``capacity``, while no more than that are ``busy``.

    ``busy`` says whether an artifact is being used; neither those nor ``pinned`` ones are unloaded.
    """

    def __init__(
        self, client: EngineClient, artifacts: ArtifactStore, *, capacity: int, busy: Callable[[str], bool]
    ) -> None:
        self.capacity = capacity
        self.pinned: frozenset[str] = frozenset()
        self._client = client
        self._artifacts = artifacts
        self._busy = busy
        # The one that was not used for longest comes first.
        self._loaded: OrderedDict[str, None] = OrderedDict()
        self._loading: dict[str, asyncio.Task[None]] = {}
        self._unloading: dict[str, asyncio.Task[None]] = {}
        # Loaded before their turn, and not used yet.
        self._ahead: set[str] = set()

    def holds(self, name: str) -> bool:
        """Whether the engine has an artifact under this name. A look into memory."""
        return name in self._loaded

    def has_room(self) -> bool:
        """Whether another artifact can be loaded and none be unloaded for it."""
        return len(self._loaded) + len(self._loading) < self.capacity

    def full(self) -> bool:
        """Whether there is no room, and all that is pinned is there. However many are registered, a look at few."""
        return not self.has_room() and all(name in self._loaded for name in self.pinned)

    def forget(self, name: str | None = None) -> None:
        """The engine lost one artifact, or (without a name) all of them."""
        for lost in [name] if name is not None else list(self._loaded):
            self._loaded.pop(lost, None)
            self._ahead.discard(lost)

    def names(self) -> list[str]:
        """Everything that is loaded, what was not used for longest first."""
        return list(self._loaded)

    async def ensure(self, name: str, artifact: str) -> None:
        """Return when the engine holds the artifact. Raises LoadError or EngineUnavailableError."""
        self._ahead.discard(name)
        if name in self._loaded:
            self._loaded.move_to_end(name)
            return
        # A caller who leaves must not take the load away from the others who wait for it.
        await asyncio.shield(self._begun(name, artifact))

    def prefetch(self, name: str, artifact: str) -> None:
        """Begin to load what somebody waits for, unless much was loaded ahead already: it would push out the rest."""
        if name in self._loaded or name in self._loading or len(self._ahead) >= max(1, self.capacity // 4):
            return
        self._ahead.add(name)
        # If it fails, whoever needs it tries again, and is told.
        self._begun(name, artifact).add_done_callback(lambda task: task.cancelled() or task.exception())

    def _begun(self, name: str, artifact: str) -> asyncio.Task[None]:
        task = self._loading.get(name)
        if task is None:
            task = self._loading[name] = asyncio.create_task(self._load(name, artifact))
            task.add_done_callback(lambda _: self._loading.pop(name, None))
        return task

    async def _load(self, name: str, artifact: str) -> None:
        try:
            folder = await asyncio.to_thread(self._artifacts.verified, artifact)
            if name in self._unloading:
                await asyncio.wait({self._unloading[name]})
            await self._client.load_adapter(name, str(folder.resolve()))
        except (ArtifactError, OSError) as error:
            self._ahead.discard(name)
            raise LoadError(str(error)) from error
        except EngineRefusedError as error:
            self._ahead.discard(name)
            raise LoadError(f"the engine refused the adapter: {error.body.decode(errors='replace')[:500]}") from error
        self._loaded[name] = None
        self._make_room()

    def _make_room(self) -> None:
        """Unload what was not used for longest, until no more are loaded than should be."""
        while len(self._loaded) > self.capacity:
            idle = (name for name in self._loaded if name not in self.pinned and not self._busy(name))
            victim = next(idle, None)
            if victim is None or victim == next(reversed(self._loaded)):  # Never the one that was just loaded.
                return
            self.forget(victim)
            self._unloading[victim] = asyncio.create_task(self._unload(victim))

    async def _unload(self, name: str) -> None:
        try:
            await self._client.post("/v1/unload_lora_adapter", {"lora_name": name})
        except (EngineRefusedError, EngineUnavailableError):
            pass  # It is not there, then.
        finally:
            del self._unloading[name]
