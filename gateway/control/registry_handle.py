"""The registry of a gateway that may still be starting."""

from __future__ import annotations

import asyncio

from postil.gateway.errors import EngineUnavailableError
from postil.registry.db.database import Database
from postil.registry.releases.service import Registry


class RegistryHandle:
    """The registry once it is open. ``problem`` says why the registry or the engine failed to start, if so."""

    def __init__(self) -> None:
        self.problem: str | None = None
        self.opened = asyncio.Event()
        # The sequence number of the last event that the state at opening includes.
        self.opened_at = 0
        self._registry: Registry | None = None

    @property
    def started(self) -> bool:
        """Whether the registry is open."""
        return self._registry is not None

    def open(self, registry: Registry, newest_event: int) -> None:
        """Set the registry."""
        self._registry = registry
        self.opened_at = newest_event

    def get(self) -> Registry:
        """The registry. Raises EngineUnavailableError until it is open."""
        if self._registry is None:
            raise EngineUnavailableError(self.problem or "the gateway is still starting; try again in a moment")
        return self._registry

    def database(self) -> Database:
        """Return its database. Raises EngineUnavailableError until it is open."""
        return self.get().database
