"""Requests that arrive, are answered and leave on a clock of their own, admitted by the real rules."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count

from postil.gateway.engine.scheduler.fair_queue import FairQueue
from postil.gateway.engine.scheduler.types import QueueEntry, SchedulerLimits, State


@dataclass(frozen=True)
class Arrival:
    """One request: who asks when for what, how long the engine takes, and after how long its client would leave.

    ``cost`` is how many sequences it generates at a time.
    """

    at: float
    tenant: str
    adapter: str | None
    hold: float
    leaves: float | None = None
    cost: int = 1


@dataclass
class Went:
    """A request that had its turn: when, and after how many others that were let in since it came."""

    arrival: Arrival
    waited: float
    passed: int


@dataclass
class Simulation:
    """Runs arrivals through the rules, and looks at every step whether the limits are kept."""

    limits: SchedulerLimits
    weights: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.turns = FairQueue(self.limits, self.weights)
        self.went: list[Went] = []
        self._order = count()
        self._todo: list[tuple[float, int, str, QueueEntry | Arrival]] = []
        self._known: dict[QueueEntry, tuple[Arrival, int]] = {}
        self._inside: set[QueueEntry] = set()

    def run(self, arrivals: Iterable[Arrival]) -> list[Went]:
        """Everybody who had a turn, in that order."""
        for arrival in arrivals:
            self._at(arrival.at, "comes", arrival)
        while self._todo or self.turns.waiting:
            look = self.turns.next_look()
            if look is not None and (not self._todo or look < self._todo[0][0]):
                now = look
            else:
                assert self._todo, "somebody waits, and nothing would ever change that"
                now, _, what, whom = heapq.heappop(self._todo)
                self._step(now, what, whom)
            for entry in self.turns.grants(now):
                self._goes(entry, now)
            self._check()
        return self.went

    def _step(self, now: float, what: str, whom: QueueEntry | Arrival) -> None:
        if isinstance(whom, QueueEntry):
            if what == "ends" or whom.state is State.WAITING:
                self._inside.discard(whom)
                self.turns.release(whom, now)
            return
        entry = QueueEntry(whom.tenant, whom.adapter, whom.cost)
        self._known[entry] = (whom, len(self.went))
        if self.turns.arrive(entry, now):
            entry.arrived = now
            self._goes(entry, now)
        elif whom.leaves is not None:
            self._at(now + whom.leaves, "leaves", entry)

    def _goes(self, entry: QueueEntry, now: float) -> None:
        arrival, before = self._known[entry]
        self._inside.add(entry)
        self.went.append(Went(arrival, now - entry.arrived, len(self.went) - before))
        self._at(now + arrival.hold, "ends", entry)

    def _at(self, when: float, what: str, whom: QueueEntry | Arrival) -> None:
        heapq.heappush(self._todo, (when, next(self._order), what, whom))

    def _check(self) -> None:
        adapters = {entry.adapter for entry in self._inside} - {None}
        assert sum(entry.cost for entry in self._inside) == self.turns.running <= self.limits.in_flight
        assert len(adapters) <= self.limits.adapters
        assert adapters == set(self.turns.adapters())
        waiting = [entry for entry in self._known if entry.state is State.WAITING]
        if self.turns.running + max((entry.cost for entry in waiting), default=1) <= self.limits.in_flight:
            self._check_nobody_waits_in_vain(adapters, waiting)

    def _check_nobody_waits_in_vain(self, adapters: set[str | None], waiting: list[QueueEntry]) -> None:
        """With room for each of them, only those wait who need another adapter, or one that is to make room."""
        assert all(entry.adapter is not None for entry in waiting)
        if len(adapters) < self.limits.adapters:
            assert not waiting
