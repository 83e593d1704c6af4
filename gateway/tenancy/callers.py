"""The directory of tenants and keys in force, read again after every change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from postil.gateway.tenancy.directory import Caller, Directory

P = ParamSpec("P")
T = TypeVar("T")


class Callers:
    """Holds the directory; ``read`` makes a new one from the registry, and may block."""

    def __init__(self, first: Directory, read: Callable[[], Directory]) -> None:
        self.current = first
        self.on_change: Callable[[], None] = lambda: None
        self._read = read
        self._reading = asyncio.Lock()
        # Of its own: a revoked key must not go on while all other threads are at work on something large.
        self._thread = ThreadPoolExecutor(1, "keys")

    def identify(self, authorization: str | None) -> Caller:
        """The caller behind an Authorization header; see ``Directory.identify``."""
        return self.current.identify(authorization)

    def limited(self) -> bool:
        """Whether any tenant has limits that all gateways count together."""
        return self.current.limited()

    async def refresh(self) -> None:
        """Read all tenants and keys from the registry again."""
        async with self._reading:  # One at a time: else an older list could take the place of a newer one.
            self.current = await asyncio.get_running_loop().run_in_executor(self._thread, self._read)
            self.on_change()

    async def change(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """What a function returns that reads or changes keys and tenants, called where nothing else holds it up."""
        work = partial(function, *arguments, **named)
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        """Stop the reading thread."""
        self._thread.shutdown(wait=False)
