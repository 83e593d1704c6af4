"""A lock for each adapter: changes to one never wait for changes to another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from postil.registry.names import AdapterName


class AdapterLocks:
    """Locks that exist while somebody holds or awaits them. No request for an answer ever waits for one."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[AdapterName, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, name: AdapterName) -> AsyncIterator[None]:
        """Hold the lock of this adapter."""
        lock = self._locks.setdefault(name, asyncio.Lock())
        async with lock:
            yield
