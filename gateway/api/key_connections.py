"""Bounds how many requests of one key or tenant run at a time, so that its waits and streams leave room for others."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from postil.gateway.api.denied import authorization
from postil.gateway.api.error_responses import tell
from postil.gateway.errors import ConnectionsLimitedError, GatewayError
from postil.gateway.tenancy.directory import Directory

# More keys than this are not in use at a time; unknown ones must not fill the memory.
_MOST_KNOWN = 16_384


class _Bound(NamedTuple):
    """``most`` requests may run that are ``counted`` together; ``of`` says in words which these are."""

    counted: int
    most: int
    of: str


class KeyConnections:
    """Middleware in front of all routes. A connection counts to a key from the request that names it until its answer.

    ``most`` is the bound for each key of a tenant without one of its own. A tenant's own bound (its limit
    ``connections``) is for all of its keys together. An admin's key has none, and a key that nobody has is refused by
    its route at once. Keys are compared by what Python's randomly seeded hash makes of them, so that none is kept.

    Each process counts by itself: with workers, as many times more may run.
    """

    def __init__(self, app: ASGIApp, directory: Callable[[], Directory], most: int) -> None:
        self._app = app
        self._directory = directory
        self._most = most
        self._running: dict[int, int] = {}
        # By a header as it was sent; None: any number may run.
        self._known: dict[int, _Bound | None] = {}
        self._known_of: Directory | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an ASGI call."""
        sent = authorization(scope) if scope["type"] == ScopeType.HTTP else None
        bound = None if sent is None else self._bound(sent)
        if bound is None:
            await self._app(scope, receive, send)
            return
        running = self._running.get(bound.counted, 0)
        if running >= bound.most:
            await tell(_too_many(bound), scope["path"], send)
            return
        self._running[bound.counted] = running + 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._leave(bound.counted)

    def _leave(self, counted: int) -> None:
        if self._running[counted] == 1:
            del self._running[counted]
        else:
            self._running[counted] -= 1

    def _bound(self, sent: str) -> _Bound | None:
        """The bound of the key that a header names. Looked up again after each change of keys or limits."""
        directory = self._directory()
        if directory is not self._known_of or len(self._known) >= _MOST_KNOWN:
            self._known, self._known_of = {}, directory
        if hash(sent) not in self._known:
            # However it is written, it counts as the key that the directory reads.
            key = sent.partition(" ")[2].strip()
            self._known[hash(sent)] = self._looked_up(directory, key)
        return self._known[hash(sent)]

    def _looked_up(self, directory: Directory, key: str) -> _Bound | None:
        try:
            caller = directory.known(f"Bearer {key}")
        except GatewayError:
            return None
        if caller.admin:
            return None
        own = caller.limits.connections if caller.limits is not None else None
        if own is None:
            return _Bound(hash(key), self._most, "with this key")
        return _Bound(hash((caller.name,)), own, "of this tenant")


def _too_many(bound: _Bound) -> ConnectionsLimitedError:
    return ConnectionsLimitedError(
        f"{bound.most} requests {bound.of} are running or waiting, which is as many as may; wait for one to end",
        retry_after=1,
    )
