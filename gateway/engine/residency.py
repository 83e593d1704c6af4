"""Which artifacts the engine holds: loads what is missing, once, however many ask for it at a time."""

from __future__ import annotations

import asyncio

from postil.gateway.engine.client import EngineClient
from postil.gateway.errors import EngineRefusedError
from postil.registry.artifacts import ArtifactStore
from postil.registry.errors import ArtifactError


class LoadError(Exception):
    """An artifact could not be loaded; the text says why, for the people who run the gateway."""


class DamagedError(LoadError):
    """The files of an artifact are gone, or are not what was published."""


class Residency:
    """What was loaded since the engine last started."""

    def __init__(self, client: EngineClient, artifacts: ArtifactStore) -> None:
        self._client = client
        self._artifacts = artifacts
        self._loaded: set[str] = set()
        self._loading: dict[str, asyncio.Task[None]] = {}

    def holds(self, name: str) -> bool:
        """Whether the engine has an artifact under this name. A look into memory."""
        return name in self._loaded

    def forget(self, name: str | None = None) -> None:
        """The engine lost one artifact, or (without a name) all of them."""
        if name is None:
            self._loaded.clear()
        self._loaded.discard(name or "")

    async def ensure(self, name: str, artifact: str) -> None:
        """Return when the engine holds the artifact. Raises LoadError or EngineUnavailableError."""
        if name in self._loaded:
            return
        task = self._loading.get(name)
        if task is None:
            task = self._loading[name] = asyncio.create_task(self._load(name, artifact))
            task.add_done_callback(lambda _: self._loading.pop(name, None))
        # A caller who leaves must not take the load away from the others who wait for it.
        await asyncio.shield(task)

    async def _load(self, name: str, artifact: str) -> None:
        try:
            folder = await asyncio.to_thread(self._artifacts.verified, artifact)
            await self._client.load_adapter(name, str(folder.resolve()))
        except ArtifactError as error:
            raise DamagedError(str(error)) from error
        except OSError as error:
            raise LoadError(str(error)) from error
        except EngineRefusedError as error:
            raise LoadError(f"the engine refused the adapter: {error.body.decode(errors='replace')[:500]}") from error
        self._loaded.add(name)
