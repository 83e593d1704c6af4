"""The types of the queue: requests, tenants, adapters, and the limits."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum
from typing import Any

Adapter = str | None  # None is the base: it needs no slot.


@dataclass(frozen=True, slots=True)
class SchedulerLimits:
    """How many sequences and adapters may be in flight, and how many requests may wait."""

    in_flight: int = 256
    adapters: int = 8
    tenant_queue: int = 1024
    queue: int = 8192
    patience: float = 0.25

    @property
    def drains(self) -> int:
        """How many slots may be emptied at a time: the others go on with their work."""
        return max(1, self.adapters // 2)


class QueueIsFullError(Exception):
    """The queue is full."""


class TooCostlyError(Exception):
    """A request needs more slots than there are."""


class State(Enum):
    """Whether a request is waiting, in flight, or done."""

    NEW = "new"
    WAITING = "waiting"
    RUNNING = "running"
    GONE = "gone"


class QueueEntry:
    """One request. ``cost`` is how many sequences it generates at a time; ``wake`` is its owner's."""

    __slots__ = ("adapter", "arrived", "cost", "number", "started", "state", "tenant", "wake")

    def __init__(self, tenant: str, adapter: Adapter, cost: int = 1) -> None:
        self.tenant = tenant
        self.adapter = adapter
        self.cost = cost
        self.state = State.NEW
        self.number = 0
        self.arrived = 0.0
        self.started = 0.0
        self.wake: Any = None


class TenantQueue:
    """One tenant: what it holds, who waits, and its tags. ``promised`` is when it had its last promise."""

    __slots__ = ("by_adapter", "held", "order", "promised", "tag", "weight")

    def __init__(self, weight: float, promised: int) -> None:
        self.weight = weight
        self.held = 0
        self.tag = 0.0
        self.promised = promised
        self.order: OrderedDict[QueueEntry, None] = OrderedDict()
        self.by_adapter: dict[Adapter, OrderedDict[QueueEntry, None]] = {}


class AdapterSlot:
    """One adapter in flight. ``owes`` is who it was opened for, while that one has not gone in."""

    __slots__ = ("closing", "opened", "owes", "running")

    def __init__(self, opened: float, owes: QueueEntry | None) -> None:
        self.opened = opened
        self.owes = owes
        self.running = 0
        self.closing = False
