"""One lock per adapter: changes to one adapter never wait for changes to another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from postil.registry.names import AdapterName


class AdapterLocks:
    """Locks that exist only while they are held or awaited. Completion requests never wait for one."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[AdapterName, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, name: AdapterName) -> AsyncIterator[None]:
        """Hold this adapter's lock."""
        lock = self._locks.setdefault(name, asyncio.Lock())
        async with lock:
            yield
