"""Requests that arrive, are answered and leave on a clock of their own, admitted by the real rules."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count

from postil.gateway.engine.scheduler.fair_queue import Turns
from postil.gateway.engine.scheduler.types import Limits, State, Ticket


@dataclass(frozen=True)
class Arrival:
    """One request: who asks when for what, how long the engine takes, and after how long its client would leave."""

    at: float
    tenant: str
    adapter: str | None
    hold: float
    leaves: float | None = None


@dataclass
class Went:
    """A request that had its turn: when, and after how many others that were let in since it came."""

    arrival: Arrival
    waited: float
    passed: int


@dataclass
class Simulation:
    """Runs arrivals through the rules, and looks at every step whether the limits are kept."""

    limits: Limits
    weights: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.turns = Turns(self.limits, self.weights)
        self.went: list[Went] = []
        self._order = count()
        self._todo: list[tuple[float, int, str, Ticket | Arrival]] = []
        self._known: dict[Ticket, tuple[Arrival, int]] = {}
        self._inside: set[Ticket] = set()

    def run(self, arrivals: Iterable[Arrival]) -> list[Went]:
        """Everybody who had a turn, in that order."""
        for arrival in arrivals:
            self._at(arrival.at, "comes", arrival)
        while self._todo or self.turns.waiting:
            look = self.turns.look_at()
            if look is not None and (not self._todo or look < self._todo[0][0]):
                now = look
            else:
                assert self._todo, "somebody waits, and nothing would ever change that"
                now, _, what, whom = heapq.heappop(self._todo)
                self._step(now, what, whom)
            for ticket in self.turns.grants(now):
                self._goes(ticket, now)
            self._check()
        return self.went

    def _step(self, now: float, what: str, whom: Ticket | Arrival) -> None:
        if isinstance(whom, Ticket):
            if what == "ends" or whom.state is State.WAITING:
                self._inside.discard(whom)
                self.turns.leave(whom, now)
            return
        ticket = Ticket(whom.tenant, whom.adapter)
        self._known[ticket] = (whom, len(self.went))
        if self.turns.arrive(ticket, now):
            ticket.arrived = now
            self._goes(ticket, now)
        elif whom.leaves is not None:
            self._at(now + whom.leaves, "leaves", ticket)

    def _goes(self, ticket: Ticket, now: float) -> None:
        arrival, before = self._known[ticket]
        self._inside.add(ticket)
        self.went.append(Went(arrival, now - ticket.arrived, len(self.went) - before))
        self._at(now + arrival.hold, "ends", ticket)

    def _at(self, when: float, what: str, whom: Ticket | Arrival) -> None:
        heapq.heappush(self._todo, (when, next(self._order), what, whom))

    def _check(self) -> None:
        adapters = {ticket.adapter for ticket in self._inside} - {None}
        assert len(self._inside) == self.turns.running <= self.limits.in_flight
        assert len(adapters) <= self.limits.adapters
        assert adapters == set(self.turns.adapters())
        if self.turns.running < self.limits.in_flight:
            self._check_nobody_waits_in_vain(adapters)

    def _check_nobody_waits_in_vain(self, adapters: set[str | None]) -> None:
        """With a place free, only those wait who need another adapter, or one that is to make room."""
        waiting = [ticket for ticket in self._known if ticket.state is State.WAITING]
        assert all(ticket.adapter is not None for ticket in waiting)
        if len(adapters) < self.limits.adapters:
            assert not waiting
