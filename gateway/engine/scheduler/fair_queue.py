"""The rules of the queue in front of the engine. No loop and no clock: callers say what time it is.

A request takes as many slots as it generates sequences at a time; their sum in flight never exceeds the limit.

Between tenants: the one that holds the fewest places for its weight goes first (max-min fairness of what is held:
nobody knows beforehand how long an answer takes). Among equals, start-time fair queueing: P. Goyal, H. Vin, H. Cheng,
"Start-time Fair Queueing", SIGCOMM 1996, each request counting as its cost. Whoever is first and does not fit yet
keeps all others waiting until it does: else small requests would take each place that a large one waits for.

Between adapters: no more of them are in flight than the engine has slots, and requests for those in flight go first.
Who has waited for another one longer than ``patience`` has a slot promised: one that was open for as long takes nobody
new, and goes over when it is empty. Such promises go round the tenants, so that none can crowd out the others.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from itertools import count

from postil.gateway.engine.scheduler.types import (
    Adapter,
    AdapterSlot,
    QueueEntry,
    QueueIsFullError,
    SchedulerLimits,
    State,
    TenantQueue,
    TooCostlyError,
)

# For how many times the patience a request keeps its adapter's slot from being emptied for others.
_WORTH = 8


class FairQueue:
    """Which requests are in flight, which wait, and which is next. ``weights`` are by tenant, 1 unless given.

    ``running`` is what those in flight cost, and ``waiting`` how many requests wait.
    """

    def __init__(self, limits: SchedulerLimits, weights: Mapping[str, float] | None = None) -> None:
        self.limits = limits
        self.running = 0
        self.waiting = 0
        self._weights = weights or {}
        self._flows: dict[str, TenantQueue] = {}
        self._backlog: dict[str, TenantQueue] = {}
        self._slots: dict[str, AdapterSlot] = {}
        # Adapters that get the next free slots, and who waited so long for each.
        self._promised: dict[str, QueueEntry] = {}
        self._virtual_time = 0.0
        self._numbers = count()
        self._promises = 0
        # Before this instant nobody's patience ends.
        self._look_at = math.inf

    def is_in_flight(self, adapter: str) -> bool:
        """Whether an adapter is in flight."""
        return adapter in self._slots

    def waiting_of(self, tenant: str) -> int:
        """How many requests of a tenant wait."""
        flow = self._backlog.get(tenant)
        return len(flow.order) if flow else 0

    def adapters(self) -> list[str]:
        """The adapters in flight."""
        return list(self._slots)

    def arrive(self, entry: QueueEntry, now: float, *, ahead: bool = False) -> bool:
        """Add a request and return whether it may go at once. If not, it waits: see ``grants``.

        A retry goes ``ahead`` of its tenant's others, and is never refused as one too many. Raises
        QueueIsFullError, TooCostlyError.
        """
        if entry.cost > self.limits.in_flight:
            raise TooCostlyError
        flow = self._flows.get(entry.tenant)
        if flow is None:
            weight = self._weights.get(entry.tenant, 1.0)
            flow = self._flows[entry.tenant] = TenantQueue(weight, self._promises)
        if not self.waiting and self._fits(entry) and self._is_open(entry.adapter):
            self._start(entry, flow, now)
            return True
        full = self.waiting >= self.limits.queue or len(flow.order) >= self.limits.tenant_queue
        if full and not ahead:
            raise QueueIsFullError
        self._enqueue(entry, flow, now, ahead=ahead)
        return False

    def grants(self, now: float) -> Iterator[QueueEntry]:
        """Yield each request that may go now; then promise slots to those who waited too long."""
        while self.waiting and self.running < self.limits.in_flight:
            found = self._next()
            if found is None:
                break
            entry, flow = found
            if not self._fits(entry):
                break
            self._dequeue(entry, flow)
            self._start(entry, flow, now)
            yield entry
        self._promise(now)

    def release(self, entry: QueueEntry, now: float) -> None:
        """Remove a request that has its answer or was given up, in flight or waiting."""
        state, entry.state = entry.state, State.GONE
        flow = self._flows[entry.tenant]
        if state is State.WAITING:
            self._dequeue(entry, flow)
            self._withdraw(entry)
        elif state is State.RUNNING:
            self.running -= entry.cost
            flow.held -= entry.cost
            self._vacate(entry.adapter)

    def next_look(self) -> float | None:
        """When to call ``grants`` again even if nothing changes; None if that is never."""
        waits = self.waiting and self._look_at < math.inf and self._closing() < self.limits.drains
        return self._look_at if waits else None

    def _fits(self, entry: QueueEntry) -> bool:
        return self.running + entry.cost <= self.limits.in_flight

    def _free(self) -> int:
        return self.limits.adapters - len(self._slots)

    def _closing(self) -> int:
        return sum(slot.closing for slot in self._slots.values())

    def _is_open(self, adapter: Adapter) -> bool:
        """Whether the adapter slots allow a request for this adapter."""
        if adapter is None:
            return True
        slot = self._slots.get(adapter)
        if slot is not None:
            return not slot.closing
        free = self._free()
        return free > 0 and (adapter in self._promised or free > len(self._promised))

    def _start(self, entry: QueueEntry, flow: TenantQueue, now: float) -> None:
        entry.state, entry.started = State.RUNNING, now
        self.running += entry.cost
        flow.held += entry.cost
        # A tenant that was passed over catches up by one turn, not by all that it missed.
        self._virtual_time = max(self._virtual_time, flow.tag)
        flow.tag = self._virtual_time + entry.cost / flow.weight
        adapter = entry.adapter
        if adapter is None:
            return
        slot = self._slots.get(adapter)
        if slot is None:
            slot = self._slots[adapter] = AdapterSlot(
                now, self._promised.pop(adapter, None) if self._promised else None
            )
            self._look_at = -math.inf
        slot.running += 1
        if slot.owes is entry:
            slot.owes = None

    def _enqueue(self, entry: QueueEntry, flow: TenantQueue, now: float, *, ahead: bool) -> None:
        entry.state, entry.arrived, entry.number = State.WAITING, now, next(self._numbers)
        if not flow.order:
            flow.tag = max(flow.tag, self._virtual_time)
            self._backlog[entry.tenant] = flow
        queue = flow.by_adapter.setdefault(entry.adapter, OrderedDict())
        flow.order[entry] = queue[entry] = None
        if ahead:
            entry.number = -entry.number
            flow.order.move_to_end(entry, last=False)
            queue.move_to_end(entry, last=False)
        self.waiting += 1
        self._look_at = min(self._look_at, now + self.limits.patience)

    def _dequeue(self, entry: QueueEntry, flow: TenantQueue) -> None:
        del flow.order[entry]
        queue = flow.by_adapter[entry.adapter]
        del queue[entry]
        if not queue:
            del flow.by_adapter[entry.adapter]
        if not flow.order:
            del self._backlog[entry.tenant]
        self.waiting -= 1

    def _next(self) -> tuple[QueueEntry, TenantQueue] | None:
        """The next request: of those whose adapters are open, the first of the tenant whose turn it is."""
        opened = self._open_adapters()
        best: tuple[QueueEntry, TenantQueue] | None = None
        least = (math.inf, math.inf)
        for flow in self._backlog.values():
            turn = (flow.held / flow.weight, flow.tag)
            if turn < least and (entry := _first(flow, opened)) is not None:
                best, least = (entry, flow), turn
        return best

    def _open_adapters(self) -> list[Adapter] | None:
        """The adapters whose requests may go; None if all may."""
        free = self._free()
        if free > len(self._promised):
            return None
        opened: list[Adapter] = [None]
        opened += [adapter for adapter, slot in self._slots.items() if not slot.closing]
        return opened + list(self._promised) if free > 0 else opened

    def _promise(self, now: float) -> None:
        """Promise slots to adapters that were waited for too long, while there are slots to empty for them."""
        while self.waiting and self._look_at <= now and self._closing() < self.limits.drains:
            self._look_at = math.inf
            victim = self._victim(now)
            claim = self._claim(now)
            if victim is None or claim is None:
                return
            entry, flow = claim
            assert entry.adapter is not None, "the base waits for no slot"
            self._promises += 1
            flow.promised = self._promises
            self._promised[entry.adapter] = entry
            victim.closing = True
            self._look_at = -math.inf

    def _victim(self, now: float) -> AdapterSlot | None:
        """The slot to empty: the one open longest, and long enough; using or wanting it makes it younger."""
        closable = [(adapter, slot) for adapter, slot in self._slots.items() if not slot.closing and slot.owes is None]
        ripe = [found for found in closable if found[1].opened + self.limits.patience <= now]
        if closable and not ripe:
            self._look_at = min(slot.opened for _, slot in closable) + self.limits.patience
            return None
        return min(ripe, key=lambda found: found[1].opened + self._demand(*found), default=(None, None))[1]

    def _demand(self, adapter: str, slot: AdapterSlot) -> float:
        """How much longer a slot stays open because requests use or want it: a popular adapter would be back soon."""
        queues = (flow.by_adapter.get(adapter, ()) for flow in self._backlog.values())
        return _WORTH * self.limits.patience * (slot.running - 1 + sum(len(queue) for queue in queues))

    def _claim(self, now: float) -> tuple[QueueEntry, TenantQueue] | None:
        """The request to promise the next slot to: the oldest overdue one, tenants in turn."""
        best: tuple[QueueEntry, TenantQueue] | None = None
        least: tuple[float, ...] = (math.inf,)
        for flow in self._backlog.values():
            for adapter, queue in flow.by_adapter.items():
                if adapter in self._promised or adapter in self._slots or self._is_open(adapter):
                    continue
                entry = next(iter(queue))
                due = entry.arrived + self.limits.patience
                rank = (flow.promised, flow.held / flow.weight, entry.number)
                if due > now:
                    self._look_at = min(self._look_at, due)
                elif rank < least:
                    best, least = (entry, flow), rank
        return best

    def _withdraw(self, entry: QueueEntry) -> None:
        """Withdraw the promise to a request that has left the queue."""
        if entry.adapter is None:
            return
        slot = self._slots.get(entry.adapter)
        if slot is not None and slot.owes is entry:
            slot.owes = None
        if self._promised.get(entry.adapter) is entry:
            del self._promised[entry.adapter]
            self._reopen()

    def _vacate(self, adapter: Adapter) -> None:
        if adapter is None:
            return
        slot = self._slots[adapter]
        slot.running -= 1
        if not slot.running:
            del self._slots[adapter]
            self._look_at = -math.inf
            if slot.owes is not None:
                self._promised[adapter] = slot.owes
            if self._promised:
                self._reopen()

    def _reopen(self) -> None:
        """Open slots again that are not promised any more."""
        self._look_at = -math.inf
        needed = max(0, len(self._promised) - self._free())
        closing = [slot for slot in self._slots.values() if slot.closing]
        for slot in closing[needed:]:
            slot.closing = False


def _first(flow: TenantQueue, opened: list[Adapter] | None) -> QueueEntry | None:
    """The oldest of a tenant's requests that may go."""
    if opened is None:
        return next(iter(flow.order))
    queues = (flow.by_adapter[adapter] for adapter in opened if adapter in flow.by_adapter)
    return min((next(iter(queue)) for queue in queues), key=lambda entry: entry.number, default=None)
