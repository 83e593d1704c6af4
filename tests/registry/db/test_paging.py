"""Pages: every row once and in order, whatever is added meanwhile; a damaged cursor is refused in one sentence."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from postil.registry.db.database import Database
from postil.registry.db.paging import MOST, Order, Page, page, page_of, whole
from postil.registry.db.tables import Domain, Review, Usage
from postil.registry.errors import PagingError

BY_NAME = Order("domains", [(col(Domain.name), str)])
BY_TIME = Order("reviews", [(col(Review.created_at), datetime), (col(Review.id), str)], downwards=True)
BY_USE = Order("usage", [(col(Usage.day), date), (col(Usage.number), int)])


def domains(database: Database, *, after: str | None = None, limit: int = 2, order: Order = BY_NAME) -> Page[str]:
    """The names of the domains."""
    with database.read() as session:
        found: Page[Domain] = page(session, select(Domain), order, after, limit)
    return found.map(lambda domain: domain.name)


def add(database: Database, *names: str) -> None:
    """Add domains."""
    with database.write() as session:
        session.add_all([Domain(name=name, default_adapter="a") for name in names])


def written(value: object) -> str:
    """A cursor of somebody else's making."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_rows_added_between_two_pages_neither_hide_nor_repeat_one(database: Database) -> None:
    add(database, "b", "d", "f", "h")
    first = domains(database)
    add(database, "a", "e")
    second = domains(database, after=first.next)
    third = domains(database, after=second.next)
    assert [*first.items, *second.items, *third.items] == ["b", "d", "e", "f", "h"]
    assert third.next is None


def test_a_page_that_ends_with_the_list_has_no_next(database: Database) -> None:
    assert domains(database) == Page([], None)
    add(database, "a", "b")
    assert domains(database) == Page(["a", "b"], None)


def test_a_list_in_memory_has_the_same_pages() -> None:
    rows = ["a", "c", "e"]
    first = page_of(rows, BY_NAME, None, 2, list)
    assert list(first.items) == ["a", "c"]
    assert page_of(["b", *rows, "f"], BY_NAME, first.next, 2, list) == Page(["e", "f"], None)
    with pytest.raises(PagingError, match="is not one of ours"):
        page_of(rows, BY_NAME, "nonsense", 2, list)
    with pytest.raises(PagingError, match="a page of 0 cannot be"):
        page_of(rows, BY_NAME, None, 0, list)


def test_a_list_read_page_by_page_is_the_whole_list(database: Database) -> None:
    names = [f"d{number:04}" for number in range(MOST + 5)]
    add(database, *names)
    assert whole(domains, database) == names


def test_downwards_the_pages_go_the_other_way(database: Database) -> None:
    add(database, "a", "b", "c")
    order = Order("domains", BY_NAME.keys, downwards=True)
    first = domains(database, order=order)
    assert (first.items, domains(database, order=order, after=first.next).items) == (["c", "b"], ["a"])
    with pytest.raises(PagingError):
        domains(database, after=first.next)


def test_a_cursor_keeps_times_to_the_microsecond(database: Database) -> None:
    at = datetime(2026, 11, 1, 12, 0, 0, 123456, tzinfo=UTC)
    row: dict[str, Any] = {"domain": "d", "adapter": "a", "number": 1, "tenant": "t", "request": {}, "verdicts": []}
    with database.write() as session:
        for place, text in enumerate("abc"):
            when = at + timedelta(microseconds=place // 2)
            session.add(Review(id=text, answer="", reason="", created_at=when, **row))
    with database.read() as session:
        first = page(session, select(Review), BY_TIME, None, 1)
        second = page(session, select(Review), BY_TIME, first.next, 1)
        third = page(session, select(Review), BY_TIME, second.next, 1)
    assert [[review.id for review in found.items] for found in (first, second, third)] == [["c"], ["b"], ["a"]]


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "ü", "a" * 5000, "!!!!", written(None), written(5), written("domains"), written({}), written([]),
     written(["domains"]), written(["domains", 5]), written(["domains", None]), written(["domains", "a", "b"]),
     written(["releases", "a"]), written(["domains", "a\0"]), written(["domains", "\ud800"]), "W1tb" * 300],
)  # fmt: skip
def test_a_damaged_cursor_is_one_sentence_and_no_traceback(database: Database, cursor: str) -> None:
    with pytest.raises(PagingError, match=r"^cursor '.{0,40}' is not one of ours; leave it out to begin at the start$"):
        domains(database, after=cursor)


@pytest.mark.parametrize(
    ("order", "values"),
    [
        (BY_TIME, ["2026-11-01T12:00:00", "x"]), (BY_TIME, ["yesterday", "x"]), (BY_TIME, [5, "x"]),
        (BY_TIME, ["0001-01-01T00:00:00+14:00", "x"]),
        (BY_USE, ["today", 1]), (BY_USE, ["2026-11-01", True]), (BY_USE, ["2026-11-01", 2**31]),
        (BY_USE, ["2026-11-01", 1.5]), (BY_USE, ["2026-11-01", -(2**70)]),
    ],
)  # fmt: skip
def test_a_cursor_with_values_of_another_kind_is_none_of_ours(order: Order, values: list[object]) -> None:
    tag = "-reviews" if order is BY_TIME else "usage"
    with pytest.raises(PagingError, match="is not one of ours"):
        order.after(written([tag, *values]))


@given(st.text(max_size=60) | st.binary(max_size=40).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_stranger_sends_as_a_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(PagingError):
        BY_NAME.after(cursor)


@pytest.mark.parametrize("limit", [0, -1, MOST + 1])
def test_a_page_has_between_one_and_a_thousand_rows(database: Database, limit: int) -> None:
    with pytest.raises(PagingError, match=f"^a page of {limit} cannot be; give a limit of 1 to 1000$"):
        domains(database, limit=limit)


def test_a_cursor_of_somebody_elses_making_that_fits_is_a_place_in_the_list(database: Database) -> None:
    add(database, "b", "d")
    assert domains(database, after=written(["domains", "c' OR 1=1 --"])).items == ["d"]
    with database.read() as session:
        for order, values in (
            (BY_TIME, ["9999-12-31T23:59:59.999999+00:00", "x"]), (BY_TIME, ["0001-01-01T00:00:00+00:00", ""]),
            (BY_USE, ["0001-01-01", -(2**31) + 1]), (BY_USE, ["9999-12-31", 2**31 - 1]),
        ):  # fmt: skip
            row = Review if order is BY_TIME else Usage
            tag = "-reviews" if order is BY_TIME else "usage"
            assert page(session, select(row), order, written([tag, *values]), 5).items == []
