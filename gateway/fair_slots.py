"""Shares out a few slots: domains go round, and in each domain its tenants."""

from __future__ import annotations

import asyncio
from collections import Counter, deque

# What may wait, of a tenant in a domain, of a domain, and in all; beyond it a call is refused at once.
OF_A_TENANT = 64
_OF_A_DOMAIN = 512
_IN_ALL = 2048
# A domain, and a tenant in it.
_Caller = tuple[str, str]


class NoSlotError(Exception):
    """There was no slot; the text completes the sentence "it ..."."""


class FairSlots:
    """``slots`` for work that takes long. A domain gets half of them at most, and a tenant half of those.

    So neither a domain's heavy work nor a tenant's holds up another's for as long as there are two slots.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._of_a_domain = max(1, slots // 2)
        self._of_a_tenant = max(1, slots // 4)
        self._waiting: dict[_Caller, deque[asyncio.Future[None]]] = {}
        self._domains: Counter[str] = Counter()
        self._tenants: Counter[_Caller] = Counter()
        # When a domain and a tenant last had a turn, for as long as anybody works or waits.
        self._served: dict[object, int] = {}
        self._number = 0

    async def take(self, domain: str, tenant: str, seconds: float) -> None:
        """Wait for a slot, at most for so long. Raises NoSlotError."""
        caller = domain, tenant
        self._check_room(caller)
        future = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(future)
        self._hand_out()
        try:
            async with asyncio.timeout(seconds):
                await future
        except BaseException as error:
            self._leave(caller, future)
            if isinstance(error, TimeoutError):
                raise NoSlotError(f"waited for its turn longer than {seconds * 1000:.0f} ms") from None
            raise

    def give(self, domain: str, tenant: str) -> None:
        """Give a slot back."""
        self._domains[domain] -= 1
        self._tenants[domain, tenant] -= 1
        self._free += 1
        self._hand_out()

    def _check_room(self, caller: _Caller) -> None:
        domain, _ = caller
        lengths = {each: len(queue) for each, queue in self._waiting.items()}
        if lengths.get(caller, 0) >= OF_A_TENANT:
            raise NoSlotError("was not begun: its tenant's queue is full")
        if sum(length for each, length in lengths.items() if each[0] == domain) >= _OF_A_DOMAIN:
            raise NoSlotError("was not begun: its domain's queue is full")
        if sum(lengths.values()) >= _IN_ALL:
            raise NoSlotError("was not begun: the queue is full")

    def _leave(self, caller: _Caller, future: asyncio.Future[None]) -> None:
        if future.done() and not future.cancelled():  # It had its turn in the moment it left.
            self.give(*caller)
            return
        queue = self._waiting.get(caller, deque())
        if future in queue:
            queue.remove(future)
        self._tidy(caller)

    def _hand_out(self) -> None:
        while self._free and (fit := [each for each in self._waiting if self._may(each)]):
            self._begin(min(fit, key=lambda each: (self._last(each[0]), self._last(each))))
        self._domains, self._tenants = +self._domains, +self._tenants
        if not self._waiting and not self._domains:
            self._served.clear()

    def _may(self, caller: _Caller) -> bool:
        return self._domains[caller[0]] < self._of_a_domain and self._tenants[caller] < self._of_a_tenant

    def _last(self, served: object) -> int:
        return self._served.get(served, 0)

    def _begin(self, caller: _Caller) -> None:
        """Give a slot to the first of a caller's that still waits: one that is cancelled stands until its task runs."""
        domain, queue = caller[0], self._waiting[caller]
        future = queue.popleft()
        self._tidy(caller)
        if future.done():
            return
        self._number += 1
        self._served[domain] = self._served[caller] = self._number
        self._domains[domain] += 1
        self._tenants[caller] += 1
        self._free -= 1
        future.set_result(None)

    def _tidy(self, caller: _Caller) -> None:
        if not self._waiting.get(caller, True):
            del self._waiting[caller]
