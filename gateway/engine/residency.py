"""Which artifacts the engine holds: loads what is missing, once, however many ask for it at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from postil.gateway.engine.client import EngineClient
from postil.gateway.errors import EngineRefusedError
from postil.registry.artifacts import ArtifactStore
from postil.registry.errors import ArtifactError


class LoadError(Exception):
    """An artifact could not be loaded; the text says why, for the people who run the gateway."""


class Residency:
    """What was loaded since the engine last started."""

    def __init__(
        self, client: EngineClient, artifacts: ArtifactStore, clear: Callable[[str, str], None] = lambda *_: None
    ) -> None:
        """``clear(domain, artifact)`` raises ArtifactError where a domain must not have that artifact loaded."""
        self._client = client
        self._artifacts = artifacts
        self._clear = clear
        self._loaded: set[str] = set()
        # Domains may have the same files, and ask for different things before they are served.
        self._cleared: set[tuple[str, str]] = set()
        self._working: dict[object, asyncio.Task[None]] = {}

    def holds(self, name: str) -> bool:
        """Whether the engine has an artifact under this name. A look into memory."""
        return name in self._loaded

    def forget(self, name: str | None = None) -> None:
        """The engine lost one artifact, or (without a name) all of them."""
        if name is None:
            self._loaded.clear()
            self._cleared.clear()
        self._loaded.discard(name or "")
        self._cleared = {pair for pair in self._cleared if pair[0] != name}

    async def ensure(self, name: str, artifact: str, domain: str) -> None:
        """Return when the engine holds the artifact, for this domain. Raises LoadError or EngineUnavailableError."""
        if (name, domain) in self._cleared and name in self._loaded:
            return
        await self._once((name, domain), partial(self._admit, name, artifact, domain))

    async def check(self, artifact: str, domain: str) -> None:
        """Raise LoadError where an artifact must not be loaded for a domain, also if it is loaded already."""
        try:
            await asyncio.to_thread(self._clear, domain, artifact)
        except ArtifactError as error:
            raise LoadError(str(error)) from error

    async def _once(self, key: object, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = self._working.get(key)
        if task is None:
            task = self._working[key] = asyncio.create_task(work())
            task.add_done_callback(lambda _: self._working.pop(key, None))
        # A caller who leaves must not take the work away from the others who wait for it.
        await asyncio.shield(task)

    async def _admit(self, name: str, artifact: str, domain: str) -> None:
        await self.check(artifact, domain)
        if name not in self._loaded:
            await self._once(name, partial(self._load, name, artifact))
        self._cleared.add((name, domain))

    async def _load(self, name: str, artifact: str) -> None:
        try:
            folder = await asyncio.to_thread(self._artifacts.verified, artifact)
            await self._client.load_adapter(name, str(folder.resolve()))
        except (ArtifactError, OSError) as error:
            raise LoadError(str(error)) from error
        except EngineRefusedError as error:
            raise LoadError(f"the engine refused the adapter: {error.body.decode(errors='replace')[:500]}") from error
        self._loaded.add(name)
