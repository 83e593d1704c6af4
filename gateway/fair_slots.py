"""Shares out a few slots: domains go round, and in each domain its tenants."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass

# What may wait in one domain; beyond it a call is refused at once.
_WAITING = 256


class NoSlotError(Exception):
    """There was no slot; the text completes the sentence "it ..."."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    domain: str
    tenant: str
    future: asyncio.Future[None]


class FairSlots:
    """``slots`` for work that takes long. A domain gets half of them at most, and a tenant half of those.

    So neither a domain's heavy work nor a tenant's holds up another's for as long as there are two slots.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._of_a_domain = max(1, slots // 2)
        self._of_a_tenant = max(1, slots // 4)
        self._waiting: list[_Waiter] = []
        self._domains: Counter[str] = Counter()
        self._tenants: Counter[tuple[str, str]] = Counter()
        # When a domain and a tenant last had a turn, for as long as anybody works or waits.
        self._served: dict[object, int] = {}
        self._number = 0

    async def take(self, domain: str, tenant: str, seconds: float) -> None:
        """Wait for a slot, at most for so long. Raises NoSlotError."""
        if sum(one.domain == domain for one in self._waiting) >= _WAITING:
            raise NoSlotError("was not begun: its domain's queue is full")
        waiter = _Waiter(domain, tenant, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        self._hand_out()
        try:
            async with asyncio.timeout(seconds):
                await waiter.future
        except BaseException as error:
            self._leave(waiter)
            if isinstance(error, TimeoutError):
                raise NoSlotError(f"waited for its turn longer than {seconds * 1000:.0f} ms") from None
            raise

    def give(self, domain: str, tenant: str) -> None:
        """Give a slot back."""
        self._domains[domain] -= 1
        self._tenants[domain, tenant] -= 1
        self._free += 1
        self._hand_out()

    def _leave(self, waiter: _Waiter) -> None:
        if waiter in self._waiting:
            self._waiting.remove(waiter)
        else:  # It had its turn in the moment it left.
            self.give(waiter.domain, waiter.tenant)

    def _hand_out(self) -> None:
        while self._free:
            fit = [one for one in self._waiting if self._may(one)]
            if not fit:
                break
            self._begin(min(fit, key=lambda one: (self._last(one.domain), self._last((one.domain, one.tenant)))))
        self._domains, self._tenants = +self._domains, +self._tenants
        if not self._waiting and not self._domains:
            self._served.clear()

    def _may(self, waiter: _Waiter) -> bool:
        return (
            self._domains[waiter.domain] < self._of_a_domain
            and self._tenants[waiter.domain, waiter.tenant] < self._of_a_tenant
        )

    def _last(self, whose: object) -> int:
        return self._served.get(whose, 0)

    def _begin(self, waiter: _Waiter) -> None:
        self._waiting.remove(waiter)
        self._number += 1
        self._served[waiter.domain] = self._served[waiter.domain, waiter.tenant] = self._number
        self._domains[waiter.domain] += 1
        self._tenants[waiter.domain, waiter.tenant] += 1
        self._free -= 1
        waiter.future.set_result(None)
