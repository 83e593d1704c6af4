"""Bounds how many requests of one key run at a time, so that one key's waits and streams leave room for all others."""

from __future__ import annotations

from collections.abc import Callable

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from postil.gateway.api.error_responses import tell
from postil.gateway.errors import ConnectionsLimitedError, GatewayError
from postil.gateway.tenancy.directory import Directory

# More keys than this are not in use at a time; unknown ones must not fill the memory.
_MOST_KNOWN = 16_384


class KeyConnections:
    """Middleware in front of all routes. A connection counts to a key from the request that names it until its answer.

    ``most`` is the bound for a key whose tenant has none of its own (its limit ``connections``). An admin's key has
    none, and a key that nobody has is refused by its route at once. Keys are compared by what Python's randomly seeded
    hash makes of them, so that none is kept.
    """

    def __init__(self, app: ASGIApp, directory: Callable[[], Directory], most: int) -> None:
        self._app = app
        self._directory = directory
        self._most = most
        self._running: dict[int, int] = {}
        self._bounds: dict[int, int | None] = {}
        self._bounds_of: Directory | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an ASGI call."""
        key = _key(scope) if scope["type"] == ScopeType.HTTP else None
        bound = None if key is None else self._bound(key)
        if key is None or bound is None:
            await self._app(scope, receive, send)
            return
        mark = hash(key)
        running = self._running.get(mark, 0)
        if running >= bound:
            await tell(_too_many(bound), scope["path"], send)
            return
        self._running[mark] = running + 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._leave(mark)

    def _leave(self, mark: int) -> None:
        if self._running[mark] == 1:
            del self._running[mark]
        else:
            self._running[mark] -= 1

    def _bound(self, key: str) -> int | None:
        """How many requests of a key may run; None: any number. Looked up again after each change of keys or limits."""
        directory = self._directory()
        if directory is not self._bounds_of or len(self._bounds) >= _MOST_KNOWN:
            self._bounds, self._bounds_of = {}, directory
        mark = hash(key)
        try:
            return self._bounds[mark]
        except KeyError:
            bound = self._bounds[mark] = self._looked_up(directory, key)
            return bound

    def _looked_up(self, directory: Directory, key: str) -> int | None:
        try:
            caller = directory.known(f"Bearer {key}")
        except GatewayError:
            return None
        if caller.admin:
            return None
        own = caller.limits.connections if caller.limits is not None else None
        return self._most if own is None else own


def _key(scope: Scope) -> str | None:
    """The key of a request, as the directory reads it: written in another way, it counts as the same one."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            return value.decode("latin-1").partition(" ")[2].strip() or None
    return None


def _too_many(bound: int) -> ConnectionsLimitedError:
    return ConnectionsLimitedError(
        f"{bound} requests with this key are running or waiting, which is as many as may; wait for one to end",
        retry_after=1,
    )
