"""The chain over the log: whatever is done to a row, it is found, and where."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from postil.registry.db.audit_chain import GENESIS, digest, first_break, seal
from postil.registry.db.tables import Event

TEXT = st.text(max_size=8)
NUMBER = st.none() | st.integers(0, 9)
TIMES = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1), timezones=st.just(UTC))
VALUES: dict[str, st.SearchStrategy[object]] = {
    "sequence": st.integers(0, 9),
    "at": TIMES,
    "actor": TEXT,
    "action": TEXT,
    "subject": TEXT,
    "reason": TEXT,
    "before": NUMBER,
    "after": NUMBER,
    "previous": TEXT,
    "hash": TEXT,
}


@st.composite
def chains(draw: st.DrawFn, least: int = 1) -> list[Event]:
    """A log that holds."""
    events: list[Event] = []
    for sequence in range(1, draw(st.integers(least, 6)) + 1):
        row: dict[str, Any] = {field: draw(values) for field, values in VALUES.items()}
        row |= {"sequence": sequence, "previous": events[-1].hash if events else GENESIS}
        events.append(seal(Event(**row)))
    return events


@given(chains())
@settings(deadline=None, max_examples=60)
def test_a_log_that_nobody_touched_holds(events: list[Event]) -> None:
    assert first_break(events) is None
    assert first_break(iter(events)) is None


def test_an_empty_log_holds() -> None:
    assert first_break([]) is None


@pytest.mark.parametrize("field", sorted(VALUES))
@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_an_edit_of_any_column_of_any_row_is_found_where_it_is(field: str, data: st.DataObject) -> None:
    events = data.draw(chains())
    place = data.draw(st.integers(0, len(events) - 1))
    value = data.draw(VALUES[field])
    assume(value != getattr(events[place], field))
    setattr(events[place], field, value)
    assert first_break(events) == place + 1


@given(chains(), st.data())
@settings(deadline=None, max_examples=40)
def test_an_edit_that_is_sealed_again_breaks_the_row_after_it(events: list[Event], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(events) - 1))
    events[place].reason += "!"
    seal(events[place])
    assert first_break(events) == (place + 2 if place + 1 < len(events) else None)


@given(chains(least=2), st.data())
@settings(deadline=None, max_examples=60)
def test_a_deleted_row_is_found_by_the_one_after_it(events: list[Event], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(events) - 2))
    del events[place]
    assert first_break(events) == place + 1


@given(chains(least=2), st.data())
@settings(deadline=None, max_examples=60)
def test_any_other_order_is_found(events: list[Event], data: st.DataObject) -> None:
    other = data.draw(st.permutations(events))
    assume([event.sequence for event in other] != [event.sequence for event in events])
    moved = next(number for number, (a, b) in enumerate(zip(events, other, strict=True), 1) if a is not b)
    assert first_break(other) == moved


@given(chains(least=2), st.data())
@settings(deadline=None, max_examples=40)
def test_a_number_left_out_is_found_even_if_every_row_is_sealed(events: list[Event], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(events) - 1))
    for number in range(place, len(events)):
        events[number].sequence += 1
        events[number].previous = events[number - 1].hash if number else GENESIS
        seal(events[number])
    assert first_break(events) == place + 1


@given(chains(), st.data())
@settings(deadline=None, max_examples=40)
def test_a_row_put_in_twice_is_found(events: list[Event], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(events) - 1))
    assert first_break([*events[: place + 1], *events[place:]]) == place + 2


@given(chains(least=2), chains())
@settings(deadline=None, max_examples=40)
def test_a_row_of_another_log_is_found(events: list[Event], others: list[Event]) -> None:
    assume(others[0].hash != events[0].hash)
    assert first_break([others[0], *events[1:]]) == 2


@given(TIMES, st.integers(-23, 23))
@settings(deadline=None, max_examples=40)
def test_the_zone_in_which_a_database_answers_does_not_matter(at: datetime, hours: int) -> None:
    def row(time: datetime) -> Event:
        return Event(sequence=1, at=time, actor="", action="", subject="", reason="", previous=GENESIS, hash="")

    elsewhere = at.astimezone(timezone(timedelta(hours=hours)))
    assert digest(row(at)) == digest(row(elsewhere))
    assert digest(row(at)) != digest(row(at + timedelta(microseconds=1)))


def test_text_does_not_move_from_one_column_into_the_next() -> None:
    common: dict[str, Any] = {"sequence": 1, "at": datetime(2026, 1, 1, tzinfo=UTC), "reason": "", "previous": GENESIS}
    one = Event(actor="ann", action="promote", subject='a","b', hash="", **common)
    other = Event(actor="ann", action='promote","a', subject="b", hash="", **common)
    assert digest(one) != digest(other)
