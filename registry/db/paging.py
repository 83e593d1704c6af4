"""Pages of long lists: each begins after the key of the last row before it, so added rows shift nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, literal, true, tuple_
from sqlmodel import Session

from postil.registry.errors import PagingError

T = TypeVar("T")
Made = TypeVar("Made")
DEFAULT_LIMIT, MOST = 100, 1000
LONGEST_CURSOR = 2048
# What every database takes for a whole number.
_LARGEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows of a list in order, and the cursor of the next page, or None."""

    items: Sequence[T]
    next: str | None = None

    def map(self, make: Callable[[T], Made]) -> Page[Made]:
        """The same page with ``make`` applied to every row."""
        return Page([make(item) for item in self.items], self.next)


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a list: columns that are unique together, all ascending or all descending.

    ``keys`` are the columns with the type of their values: ``str``, ``int``, ``date`` or ``datetime``. ``name`` is the
    list's; a cursor of another list is refused.
    """

    name: str
    keys: Sequence[tuple[Any, type]]
    downwards: bool = False

    def after(self, cursor: str | None) -> ColumnElement[bool]:
        """The condition that a row stands after a cursor. Raises PagingError."""
        if cursor is None:
            return true()
        columns = [column for column, _ in self.keys]
        row = tuple_(*columns)
        key = tuple_(*map(literal, self.values(cursor), (column.type for column in columns)))
        return row < key if self.downwards else row > key

    def by(self) -> list[Any]:
        """The terms of the ORDER BY."""
        return [column.desc() if self.downwards else column.asc() for column, _ in self.keys]

    def of(self, row: Any) -> list[Any]:
        """A row's values of the columns."""
        return [getattr(row, column.key) for column, _ in self.keys]

    def cursor(self, values: Sequence[Any]) -> str:
        """The cursor of a row with these values in the columns."""
        plain = [value.isoformat() if isinstance(value, date) else value for value in values]
        text = json.dumps([self._tag, *plain], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @property
    def _tag(self) -> str:
        return f"-{self.name}" if self.downwards else self.name

    def values(self, cursor: str) -> list[Any]:
        """A row's values of the columns, from its cursor. Raises PagingError."""
        try:
            if len(cursor) > LONGEST_CURSOR:
                raise ValueError("no key is that long")
            padded = cursor.encode() + b"=" * (-len(cursor) % 4)
            tag, *plain = json.loads(base64.b64decode(padded, b"-_", validate=True))
            if tag != self._tag:
                raise ValueError("a cursor of another list")
            return [_value(kind, value) for (_, kind), value in zip(self.keys, plain, strict=True)]
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise PagingError(
                f"cursor {cursor[:40]!r} is not one of ours; leave it out to begin at the start"
            ) from error


def page(
    session: Session,
    query: Any,
    order: Order,
    after: str | None,
    limit: int,
    key: Callable[[Any], Sequence[Any]] | None = None,
) -> Page[Any]:
    """The rows of ``query`` that stand after a cursor, at most ``limit``, in one statement. Raises PagingError.

    ``key`` gives a row's values of the order's columns; without it they are attributes of the row.
    """
    check_limit(limit)
    rows = session.exec(query.where(order.after(after)).order_by(*order.by()).limit(limit + 1)).all()
    if len(rows) <= limit:
        return Page(rows)
    return Page(rows[:limit], order.cursor((key or order.of)(rows[limit - 1])))


def page_of(
    rows: Sequence[T], order: Order, after: str | None, limit: int, key: Callable[[T], Sequence[Any]]
) -> Page[T]:
    """A page of a list that is in memory, in its order already. Raises PagingError."""
    check_limit(limit)
    last = None if after is None else order.values(after)
    left = [row for row in rows if last is None or list(key(row)) > last]
    if len(left) <= limit:
        return Page(left)
    return Page(left[:limit], order.cursor(key(left[limit - 1])))


def check_limit(limit: int) -> None:
    """Raise PagingError if a page cannot have so many rows."""
    if not 1 <= limit <= MOST:
        raise PagingError(f"a page of {limit} cannot be; give a limit of 1 to {MOST}")


def whole(read: Callable[..., Page[T]], *arguments: Any, **named: Any) -> list[T]:
    """All rows of a list, read page by page: ``read(*arguments, **named, after=..., limit=...)`` gives one."""
    found: list[T] = []
    after: str | None = None
    while True:
        page = read(*arguments, **named, after=after, limit=MOST)
        found += page.items
        if page.next is None:
            return found
        after = page.next


def _value(kind: type, value: Any) -> Any:
    """A value of a cursor as its column has it. Raises ValueError or TypeError."""
    if kind is datetime:
        read = datetime.fromisoformat(value)
        if read.utcoffset() is None:
            raise ValueError("times have a zone here")
        return read.astimezone(UTC)
    if kind is date:
        return date.fromisoformat(value)
    if type(value) is not kind:
        raise TypeError("a value of another kind")
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise ValueError("no key is that large")
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("no key has that in it")
        value.encode()  # A lone surrogate is no text that a database takes.
    return value
