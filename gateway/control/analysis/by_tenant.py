"""Weighs evidence so that no single tenant decides: what is found must stand without any one of them.

For every tenant t there is an evidence E(-t) of its own, made of the requests of all others and of nothing else. An
alarm needs every one of them to have reached the threshold at some time. The proof that a tenant who tries gains
nothing: whatever h sends, an alarm implies that E(-h) has reached the threshold; E(-h) depends on the requests of the
others alone; and for a release that is within the tolerance it is a test supermartingale (`betting`), so that happens
with a probability of at most one over the threshold (Ville). When a block of E(-h) closes depends on the arrivals of
the others alone, too, so h cannot choose the moment.

Where one tenant's requests are all that there is, its own evidence decides: it can only harm itself.

Memory is bounded: after the first tenants, further ones share a slot with others, and are left out together with them.
That makes findings later and no alarm likelier: who shares a slot is settled before a newcomer's first request counts.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from operator import sub

from postil.gateway.control.analysis.betting import Counts, Tolerance, Wealth

SLOTS = 12
BLOCK = 128
"""The most requests of the new side in a block; at first each is a block of its own. So many of the old side with none
of the new in between are no part of a block: the old side's rate is learned from them."""
GROWTH = 12
TRACKED = 1000
"""The most tenants that are remembered one by one; of further ones only the slot is known."""
# ``Counts`` of each signal, one after the other.
Row = list[int]


class Tally:
    """One tenant: its slot, and which signals its requests to the new release have shown, as a bit for each."""

    __slots__ = ("asked_new", "failed_new", "slot")

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.asked_new = False
        self.failed_new = 0


class LeaveOut:
    """The evidence on every signal of all requests but those of one slot.

    Its block closes at the ``_due``-th request of the new side, if the old side has one by then. Nothing here depends
    on the slot that is left out, not even on how often it asks.
    """

    __slots__ = ("_closed", "_due", "_learns", "wealths")

    def __init__(self, wealths: Sequence[Wealth], closed: int = 0, due: int = 1, learns: int = BLOCK) -> None:
        self.wealths = wealths
        self._closed = closed
        self._due = due
        self._learns = learns

    def copy(self) -> LeaveOut:
        """Return one with the same history."""
        return LeaveOut([wealth.copy() for wealth in self.wealths], self._closed, self._due, self._learns)

    def learn(self, counts: Row) -> int:
        """Learn from many requests of the old side with none of the new. Returns how many are missing until then."""
        old_total = counts[1]
        if old_total >= self._learns:
            self._learns = old_total + BLOCK
            if counts[3] == self._closed:
                for signal, wealth in enumerate(self.wealths):
                    wealth.learn(counts[4 * signal], counts[4 * signal + 1])
        return self._learns - old_total

    def close(self, counts: Row) -> int:
        """Close the block if it is long enough. Returns how many requests of the new side are missing until one is."""
        new_total = counts[3]
        if new_total >= self._due:
            # Without a request of the old side there is nothing to compare with: the block goes on.
            if counts[1] > self.wealths[0].known.old_total:
                for signal, wealth in enumerate(self.wealths):
                    wealth.bet(Counts(*counts[4 * signal : 4 * signal + 4]))
                self._closed = new_total
            self._due = new_total + min(BLOCK, 1 + new_total // GROWTH)
        return self._due - new_total


class ByTenant:
    """The evidence on several signals, by tenant. The first signal of a request is seen in every request.

    ``old`` and ``new`` take a tenant and what its request showed of each signal: True, False, or None where nothing can
    be told yet. The admin has an empty name: it is trusted, so its requests count, and do not make two of one tenant.
    So many tenants are ``tracked``; those that come later share slots, and are not remembered.
    """

    def __init__(self, tolerances: Sequence[Tolerance], *, tracked: int = TRACKED) -> None:
        self._tracked = tracked
        self._signals = len(tolerances)
        self.tenants: dict[str, Tally] = {}
        self._users: set[str] = set()
        self._slots: list[Row] = []
        self._all = LeaveOut([Wealth(tolerance) for tolerance in tolerances])
        self._without: list[LeaveOut] = []
        self._old_total = self._new_total = 0
        # For each evidence, that of all first: the request of the new side at which its block closes if its own slot
        # asks no more; and of the old side, at which it learns.
        self._closes, self._learns = [0], [0]

    @property
    def alone(self) -> bool:
        """Whether all requests, and all that are known from elsewhere, are one tenant's (or the admin's)."""
        return len(self._users) <= 1

    def known(self, tenants: Iterable[str]) -> None:
        """Note tenants that use the adapter, although their requests are not compared."""
        for tenant in tenants:
            self._use(tenant)

    def old(self, tenant: str, shown: Sequence[bool | None]) -> None:
        """Add one request of the old side."""
        slot = self._tally(tenant).slot
        self._count(slot, 0, shown)
        self._old_total += 1
        self._learns[slot + 1] += 1
        if self._old_total >= min(self._learns):
            for each, evidence, counts in self._due(self._learns, self._old_total):
                self._learns[each] = self._old_total + evidence.learn(counts)

    def new(self, tenant: str, shown: Sequence[bool | None]) -> bool:
        """Add one request of the new side. Returns whether the evidence has moved."""
        tally = self._tally(tenant)
        tally.asked_new = True
        for signal, failed in enumerate(shown):
            if failed:
                tally.failed_new |= 1 << signal
        self._count(tally.slot, 2, shown)
        self._new_total += 1
        self._closes[tally.slot + 1] += 1
        if self._new_total < min(self._closes):
            return False
        for each, evidence, counts in self._due(self._closes, self._new_total):
            self._closes[each] = self._new_total + evidence.close(counts)
        return True

    def log_e(self, signal: int) -> float:
        """Return the logarithm of the evidence on a signal that stands whichever tenant is left out."""
        if self.alone:
            return self._all.wealths[signal].peak
        return min((each.wealths[signal].peak for each in self._without), default=0.0)

    def counts(self, signal: int) -> Counts:
        """Return the counts of a signal, of all tenants together."""
        return Counts(*(sum(slot[4 * signal + which] for slot in self._slots) for which in range(4)))

    def judged(self) -> list[tuple[int, ...]]:
        """Return of each slot the requests to the new release that were judged on each signal."""
        return [tuple(slot[4 * signal + 3] for signal in range(self._signals)) for slot in self._slots]

    def tenants_asked(self) -> int:
        """Return how many tenants have asked the new release."""
        return sum(tally.asked_new for tenant, tally in self.tenants.items() if tenant)

    def tenants_failed(self, signal: int) -> int:
        """Return how many tenants have seen a signal on the new release."""
        return sum(tally.failed_new >> signal & 1 for tenant, tally in self.tenants.items() if tenant)

    def _use(self, tenant: str) -> None:
        if tenant and len(self._users) < 2:
            self._users.add(tenant)

    def _tally(self, tenant: str) -> Tally:
        found = self.tenants.get(tenant)
        if found is None:
            self._use(tenant)
            if len(self.tenants) >= self._tracked:
                return Tally(zlib.crc32(tenant.encode()) % SLOTS)
            found = self.tenants[tenant] = Tally(self._new_slot())
        return found

    def _new_slot(self) -> int:
        """Open a slot; once there are enough, choose the one with the fewest requests. No outcome matters here."""
        if len(self._slots) < SLOTS:
            self._slots.append([0] * (4 * self._signals))
            # Until now this slot has had no requests: without it, the evidence is that of all.
            self._without.append(self._all.copy())
            self._closes.append(self._closes[0])
            self._learns.append(self._learns[0])
            return len(self._slots) - 1
        return min(range(SLOTS), key=lambda slot: self._slots[slot][1] + self._slots[slot][3])

    def _count(self, slot: int, side: int, shown: Sequence[bool | None]) -> None:
        counts = self._slots[slot]
        for signal, failed in enumerate(shown):
            if failed is not None:
                at = 4 * signal + side
                counts[at] += failed
                counts[at + 1] += 1

    def _due(self, dues: Sequence[int], now: int) -> Iterator[tuple[int, LeaveOut, Row]]:
        """Each evidence that is due, its place, and the counts that it is made of."""
        total = [sum(column) for column in zip(*self._slots, strict=True)]
        for each, due in enumerate(dues):
            if due > now:
                continue
            if each == 0:
                yield each, self._all, total
            else:
                yield each, self._without[each - 1], list(map(sub, total, self._slots[each - 1]))
