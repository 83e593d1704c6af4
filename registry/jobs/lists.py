"""Lists as OpenAI's API pages them: each page begins after the item whose id is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import tuple_
from sqlmodel import Session, col

from postil.registry.db.job_tables import TrainingFile, TrainingJob
from postil.registry.errors import JobError

T = TypeVar("T", TrainingFile, TrainingJob)
Row = TypeVar("Row")
# More rows no page has.
MOST = 1000


@dataclass(frozen=True, slots=True)
class Listed(Generic[Row]):
    """A page, and whether there are more rows after it."""

    data: Sequence[Row]
    has_more: bool


def newest_first(
    session: Session, query: Any, table: type[T], after: str | None, limit: int, *, oldest_first: bool = False
) -> Listed[T]:
    """The rows of ``query`` by their time, at most ``limit``. Raises JobError if there is no row ``after``."""
    key = tuple_(col(table.created_at), col(table.id))
    if after is not None:
        last = session.exec(query.where(col(table.id) == after)).one_or_none()
        if last is None:
            raise JobError(
                f"there is no {after[:40]!r} to begin after; leave `after` out to begin at the start", "after"
            )
        place = tuple_(last.created_at, last.id)
        query = query.where(key > place if oldest_first else key < place)
    order = [each.asc() if oldest_first else each.desc() for each in (col(table.created_at), col(table.id))]
    return cut(session.exec(query.order_by(*order).limit(limit + 1)).all(), limit)


def cut(rows: Sequence[Row], limit: int) -> Listed[Row]:
    """A page of rows of which one more than ``limit`` was read."""
    return Listed(rows[:limit], len(rows) > limit)
