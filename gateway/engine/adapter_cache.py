"""Which adapters vLLM has loaded: loads what is missing, once for all who wait for it, and unloads what is not used.

Unloading only makes vLLM forget the name. Its memory for adapters is a cache of ``--max-cpu-loras`` places that drops
what was not used for longest; as many are kept here, by the same rule, so that both hold about the same ones.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from functools import partial
from typing import Any, TypeVar

from postil.gateway.engine.client import EngineClient
from postil.gateway.errors import EngineRefusedError, EngineUnavailableError
from postil.registry.artifacts.store import ArtifactStore
from postil.registry.errors import ArtifactError

Key = TypeVar("Key")


class LoadError(Exception):
    """An artifact could not be loaded; the text says why, for the people who run the gateway."""


class CorruptArtifactError(LoadError):
    """The files of an artifact are gone, or are not what was published."""


class AdapterCache:
    """What was loaded since the engine last started: at most ``capacity``, while no more than that are ``busy``.

    ``busy`` says whether an artifact is being used; neither those nor ``pinned`` ones are unloaded.
    ``clear(domain, artifact)`` raises ArtifactError where a domain must not have that artifact loaded.
    """

    def __init__(
        self,
        client: EngineClient,
        artifacts: ArtifactStore,
        *,
        capacity: int,
        busy: Callable[[str], bool],
        clear: Callable[[str, str], None] = lambda *_: None,
        threads: Executor | None = None,
    ) -> None:
        self.capacity = capacity
        self.pinned: frozenset[str] = frozenset()
        self._client = client
        self._artifacts = artifacts
        self._busy = busy
        self._clear = clear
        self._threads = threads
        # The one that was not used for longest comes first.
        self._loaded: OrderedDict[str, None] = OrderedDict()
        self._loading: dict[str, asyncio.Task[None]] = {}
        # Domains may have the same files, and ask for different things before they are served.
        self._cleared: set[tuple[str, str]] = set()
        self._admitting: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._unloading: dict[str, asyncio.Task[None]] = {}
        # Loaded before their turn, and not used yet.
        self._ahead: set[str] = set()

    @property
    def count(self) -> int:
        """How many artifacts the engine has."""
        return len(self._loaded)

    def is_loaded(self, name: str) -> bool:
        """Whether the engine has an artifact under this name. A look into memory."""
        return name in self._loaded

    def can_serve(self, name: str, domain: str) -> bool:
        """Whether the artifact is loaded and this domain may use it."""
        return name in self._loaded and (name, domain) in self._cleared

    def touch(self, name: str, domain: str) -> bool:
        """As ``can_serve``; the artifact counts as used now."""
        if not self.can_serve(name, domain):
            return False
        self._ahead.discard(name)
        self._loaded.move_to_end(name)
        return True

    def has_room(self) -> bool:
        """Whether another artifact can be loaded without unloading one."""
        return len(self._loaded) + len(self._loading) < self.capacity

    def full(self) -> bool:
        """Whether the cache is full and every pinned artifact is loaded."""
        return not self.has_room() and all(name in self._loaded for name in self.pinned)

    def evict(self, name: str | None = None) -> None:
        """Forget one artifact, or (without a name) all of them: the engine lost it."""
        for lost in [name] if name is not None else [*self._loaded, *self._ahead]:
            self._loaded.pop(lost, None)
            self._ahead.discard(lost)
        self._cleared = {pair for pair in self._cleared if pair[0] in self._loaded}

    def names(self) -> list[str]:
        """All loaded artifacts, the least recently used first."""
        return list(self._loaded)

    async def ensure_loaded(self, name: str, artifact: str, domain: str) -> None:
        """Return when the engine holds the artifact, for this domain. Raises LoadError or EngineUnavailableError."""
        if self.touch(name, domain):
            return
        self._ahead.discard(name)
        # A caller who leaves must not take the load away from the others who wait for it.
        await asyncio.shield(self._begun(name, artifact, domain))

    def prefetch(self, name: str, artifact: str, domain: str) -> None:
        """Start loading an artifact that a queued request needs, unless many are being loaded ahead already."""
        if name in self._loaded or name in self._loading or len(self._ahead) >= max(1, self.capacity // 4):
            return
        self._ahead.add(name)
        # If it fails, whoever needs it tries again, and is told.
        self._begun(name, artifact, domain).add_done_callback(lambda task: task.cancelled() or task.exception())

    async def check(self, artifact: str, domain: str) -> None:
        """Raise LoadError if a domain must not use an artifact, even if it is loaded already."""
        try:
            await asyncio.to_thread(self._clear, domain, artifact)
        except ArtifactError as error:
            raise LoadError(str(error)) from error

    def _begun(self, name: str, artifact: str, domain: str) -> asyncio.Task[None]:
        return _once(self._admitting, (name, domain), partial(self._admit, name, artifact, domain))

    async def _admit(self, name: str, artifact: str, domain: str) -> None:
        try:
            await self.check(artifact, domain)
            if name not in self._loaded:
                await asyncio.shield(_once(self._loading, name, partial(self._load, name, artifact)))
        except BaseException:
            self._ahead.discard(name)
            raise
        self._cleared.add((name, domain))

    async def _load(self, name: str, artifact: str) -> None:
        try:
            loop = asyncio.get_running_loop()
            folder = await loop.run_in_executor(self._threads, self._artifacts.verified_path, artifact)
            if name in self._unloading:
                await asyncio.wait({self._unloading[name]})
            await self._client.load_adapter(name, str(folder.resolve()))
        except ArtifactError as error:
            raise CorruptArtifactError(str(error)) from error
        except OSError as error:
            raise LoadError(str(error)) from error
        except EngineRefusedError as error:
            raise LoadError(f"the engine refused the adapter: {error.body.decode(errors='replace')[:500]}") from error
        self._loaded[name] = None
        self._make_room()

    def _make_room(self) -> None:
        """Unload the least recently used artifacts until the cache is within its capacity."""
        while len(self._loaded) > self.capacity:
            idle = (name for name in self._loaded if name not in self.pinned and not self._busy(name))
            victim = next(idle, None)
            if victim is None or victim == next(reversed(self._loaded)):  # Never the one that was just loaded.
                return
            self.evict(victim)
            self._unloading[victim] = asyncio.create_task(self._unload(victim))

    async def _unload(self, name: str) -> None:
        try:
            await self._client.post("/v1/unload_lora_adapter", {"lora_name": name})
        except (EngineRefusedError, EngineUnavailableError):
            pass  # It is not there, then.
        finally:
            del self._unloading[name]


def _once(
    tasks: dict[Key, asyncio.Task[None]], key: Key, work: Callable[[], Coroutine[Any, Any, None]]
) -> asyncio.Task[None]:
    """The running task of this key, started if there is none."""
    task = tasks.get(key)
    if task is None:
        task = tasks[key] = asyncio.create_task(work())
        task.add_done_callback(lambda _: tasks.pop(key, None))
    return task
