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
        # By a header as it was sent: which key it names, and how many requests of that may run (None: any number).
        self._known: dict[int, tuple[int, int | None]] = {}
        self._known_of: Directory | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an ASGI call."""
        sent = _authorization(scope) if scope["type"] == ScopeType.HTTP else None
        key, bound = (0, None) if sent is None else self._bound(sent)
        if bound is None:
            await self._app(scope, receive, send)
            return
        running = self._running.get(key, 0)
        if running >= bound:
            await tell(_too_many(bound), scope["path"], send)
            return
        self._running[key] = running + 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._leave(key)

    def _leave(self, key: int) -> None:
        if self._running[key] == 1:
            del self._running[key]
        else:
            self._running[key] -= 1

    def _bound(self, sent: bytes) -> tuple[int, int | None]:
        """Which key a header names, and its bound. Looked up again after each change of keys or limits."""
        directory = self._directory()
        if directory is not self._known_of or len(self._known) >= _MOST_KNOWN:
            self._known, self._known_of = {}, directory
        found = self._known.get(hash(sent))
        if found is None:
            # However it is written, it counts as the key that the directory reads.
            key = sent.decode("latin-1").partition(" ")[2].strip()
            found = self._known[hash(sent)] = (hash(key), self._looked_up(directory, key))
        return found

    def _looked_up(self, directory: Directory, key: str) -> int | None:
        try:
            caller = directory.known(f"Bearer {key}")
        except GatewayError:
            return None
        if caller.admin:
            return None
        own = caller.limits.connections if caller.limits is not None else None
        return self._most if own is None else own


def _authorization(scope: Scope) -> bytes | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            return value
    return None


def _too_many(bound: int) -> ConnectionsLimitedError:
    return ConnectionsLimitedError(
        f"{bound} requests with this key are running or waiting, which is as many as may; wait for one to end",
        retry_after=1,
    )
