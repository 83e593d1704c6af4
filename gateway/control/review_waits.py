"""Requests that wait for a person's decision on a review: so many of each tenant, each woken by its own review."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import contextmanager

from postil.gateway.errors import RequestsLimitedError

Tenant = tuple[str, str] | None


class ReviewWaits:
    """Who waits for which review. ``per_tenant`` requests of one tenant may; one more is refused."""

    def __init__(self, per_tenant: int) -> None:
        self._per_tenant = per_tenant
        self._busy: Counter[Tenant] = Counter()
        self._events: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    @property
    def count(self) -> int:
        """How many requests wait."""
        return self._busy.total()

    def ids(self) -> Collection[str]:
        """The reviews that are waited for."""
        return list(self._events)

    def wake(self, decided: Iterable[str]) -> None:
        """Wake those that wait for these reviews."""
        for review in decided:
            for event in self._events.get(review, ()):
                event.set()

    @contextmanager
    def entered(self, review: str, tenant: Tenant) -> Iterator[Callable[[float], Awaitable[bool]]]:
        """Yield what waits so many seconds and says whether the review was decided. Raises RequestsLimitedError."""
        if self._busy[tenant] >= self._per_tenant:
            raise RequestsLimitedError(
                f"at most {self._per_tenant} requests at a time may wait for reviews; ask without `wait`, or wait for"
                " one of them to end",
                retry_after=1,
            )
        event = asyncio.Event()
        self._events[review].add(event)
        self._busy[tenant] += 1
        try:
            yield lambda seconds: _within(event, seconds)
        finally:
            self._busy[tenant] -= 1
            if not self._busy[tenant]:
                del self._busy[tenant]
            self._events[review].discard(event)
            if not self._events[review]:
                del self._events[review]


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
