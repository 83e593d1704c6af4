"""The law of rolling back, against a model: a stack of what was live."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from postil.registry.db.database import Database
from postil.registry.db.paging import whole
from postil.registry.db.tables import Event, utcnow
from postil.registry.errors import ConflictError
from postil.registry.names import AdapterName
from postil.registry.releases import history
from postil.registry.releases.history import live_at, live_history
from postil.registry.releases.service import Registry
from tests.registry.conftest import Publish

Move = tuple[str, int]
RELEASES = 4
MOVES = st.lists(st.tuples(st.sampled_from(["promote", "rollback", "back"]), st.integers(1, RELEASES)), max_size=14)
names = (AdapterName("law", f"adapter{number}") for number in itertools.count())


class Stack:
    """What was live, in the words of a person: promoting puts on top, rolling back takes off.

    Each carries what had been live before it was put there. Rolling back to one of those that is no longer in the
    stack brings back the stack that it was the top of last.
    """

    def __init__(self) -> None:
        self.stack: list[tuple[int, frozenset[int]]] = []
        self.before: frozenset[int] = frozenset()
        self.stacks: dict[int, list[tuple[int, frozenset[int]]]] = {}

    @property
    def live(self) -> list[int]:
        """The numbers in the stack."""
        return [number for number, _ in self.stack]

    def allows(self, action: str, number: int) -> bool:
        """Whether a move has a meaning."""
        if action == "back":
            return len(self.stack) > 1
        if self.live[-1:] == [number]:
            return False
        return action == "promote" or (bool(self.stack) and number in self.stack[-1][1])

    def move(self, action: str, number: int) -> None:
        """Do what is allowed."""
        number = self.live[-2] if action == "back" else number
        if action == "promote":
            self.stack = [*self.stack, (number, self.before)]
        elif number not in self.live:
            self.stack = self.stacks[number]
        else:
            while self.live[-1] != number:
                self.stack = self.stack[:-1]
        self.stacks[number] = self.stack
        self.before |= {number}


def event(action: str, after: int | None) -> Event:
    """A row of the log, as far as the history looks at it."""
    return Event(
        sequence=1, at=utcnow(), actor="", action=action, subject="", reason="", after=after, previous="", hash=""
    )


def recorded(moves: list[Move]) -> tuple[list[Event], Stack]:
    """The log that the allowed ones of ``moves`` leave, and the stack after them."""
    events, stack = [], Stack()
    for action, number in moves:
        if stack.allows(action, number):
            stack.move(action, number)
            events.append(event("rollback" if action == "back" else action, stack.live[-1]))
    return events, stack


@given(MOVES)
@settings(deadline=None, max_examples=150)
def test_the_history_is_the_stack_of_what_was_live(moves: list[Move]) -> None:
    events, stack = recorded(moves)
    assert live_history(events) == stack.live


@given(MOVES, st.data())
@settings(deadline=None, max_examples=50)
def test_rows_that_move_nothing_do_not_disturb(moves: list[Move], data: st.DataObject) -> None:
    events, _ = recorded(moves)
    noisy = [row for kept in events for row in (event("publish", 1), kept, event("promote", None))]
    assert live_history(noisy) == live_history(events)


@given(
    st.lists(st.integers(1, RELEASES), min_size=2, max_size=8).filter(
        lambda numbers: all(one != other for one, other in itertools.pairwise(numbers))
    )
)
@settings(deadline=None, max_examples=50)
def test_going_back_step_by_step_visits_what_was_live_in_reverse(numbers: list[int]) -> None:
    events = [event("promote", number) for number in numbers]
    visited = []
    while len(lived := live_history(events)) > 1:
        events.append(event("rollback", lived[-2]))
        visited.append(lived[-2])
    assert visited == numbers[-2::-1]


@given(moves=MOVES)
@settings(deadline=None, max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_registry_does_what_the_stack_does(registry: Registry, publish: Publish, moves: list[Move]) -> None:
    name, stack = next(names), Stack()
    for seed in range(RELEASES):
        publish(str(name), seed=seed)
    for action, number in moves:
        assert attempt(registry, name, action, number) == stack.allows(action, number)
        if stack.allows(action, number):
            stack.move(action, number)
        assert registry.state(name).live == (stack.live[-1] if stack.live else None)


def attempt(registry: Registry, name: AdapterName, action: str, number: int) -> bool:
    """Whether the registry does a move."""
    try:
        if action == "promote":
            registry.promote(name.release(number), reason="", actor="ann")
        else:
            target = registry.rollback_target(name) if action == "back" else name.release(number)
            registry.rollback(target, reason="", actor="ann")
    except ConflictError:
        return False
    return True


def log(database: Database, moves: list[tuple[str, str, int | None, datetime]]) -> None:
    """Put these into the log: about whom, what, to which release, when by the clock of whoever did it."""
    with database.write() as session:
        for sequence, (subject, action, after, at) in enumerate(moves, 1):
            row = event(action, after)
            row.sequence, row.subject, row.at = sequence, subject, at
            session.add(row)


def live(database: Database, at: datetime, **within: Any) -> dict[str, int]:
    """What was live, as pairs."""
    return {found.adapter: found.number for found in whole(live_at, database, at, **within)}


def test_a_clock_that_was_ahead_does_not_hide_what_was_live(database: Database) -> None:
    now = utcnow()
    ahead, later = now + timedelta(hours=1), now + timedelta(days=1)
    log(database, [("a/b", "promote", 1, ahead), ("a/b", "promote", 2, now - timedelta(minutes=2))])
    assert live(database, now) == {"a/b": 2}
    assert live(database, now - timedelta(minutes=1)) == {"a/b": 2}
    assert live(database, now - timedelta(minutes=3)) == {}
    with database.write() as session:
        row = event("promote", 3)
        row.sequence, row.subject, row.at = 3, "a/b", later
        session.add(row)
    assert live(database, utcnow() + timedelta(seconds=1)) == {"a/b": 3}


def test_what_was_live_is_of_every_adapter_and_of_some_domains_where_asked(database: Database) -> None:
    at = utcnow() - timedelta(hours=1)
    log(database, [
        ("a/b", "promote", 1, at), ("a/c", "promote", 4, at), ("ab/c", "promote", 7, at), ("a/b", "publish", 9, at),
        ("a/c", "rollback", 3, at), ("a/d", "promote", 2, at), ("a/d", "rollback", None, at),
    ])  # fmt: skip
    # The live release of a/d was yanked, and there was none to go back to.
    assert live(database, utcnow()) == {"a/b": 1, "a/c": 3, "ab/c": 7}
    assert live(database, utcnow(), domains=["a"]) == {"a/b": 1, "a/c": 3}
    assert live(database, utcnow(), domains=[]) == {}
    assert live(database, at - timedelta(seconds=1)) == {}


SOME = st.lists(
    st.tuples(
        st.sampled_from(["a/b", "c/d"]), st.sampled_from(["promote", "rollback", "publish"]),
        st.none() | st.integers(1, 3), st.integers(-5, 5),
    ), max_size=8,
)  # fmt: skip


@given(SOME, st.integers(-6, 6).filter(bool))
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_live_is_what_the_moves_that_had_happened_left(
    database: Database, moves: list[tuple[str, str, int | None, int]], hour: int
) -> None:
    now = utcnow()
    rows = [(subject, action, after, now + timedelta(hours=at)) for subject, action, after, at in moves]
    with database.write() as session:
        session.execute(delete(Event))
    log(database, rows)
    left: dict[str, int] = {}
    for place, (subject, action, after, _) in enumerate(rows):
        happened = min([now, *(at for *_, at in rows[place:])])
        if happened <= now + timedelta(hours=hour) and action in history.MOVES:
            left.pop(subject, None)
            left |= {} if after is None else {subject: after}
    assert live(database, now + timedelta(hours=hour)) == left
