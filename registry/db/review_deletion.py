"""Deletes reviews in batches, so that the deletion of many does not hold up other writers for long.

Each batch is a transaction that holds the writers' lock, with the event that counts what it deletes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, delete, func
from sqlmodel import Session, col, select

from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.tables import Review

# The subject of events about reviews that are of no one adapter.
REVIEWS = "reviews"
PURGE, EXPIRE = "review-purge", "review-expire"
_OPEN = "open"
# Rows of one transaction.
BATCH = 500


def delete_reviews(
    database: Database,
    which: ColumnElement[bool],
    *,
    action: str,
    actor: str,
    details: Mapping[str, Any] | None = None,
    check: Callable[[Session], None] = lambda session: None,
    batch: int = BATCH,
) -> dict[str, int]:
    """Delete the reviews for which a condition holds; returns how many were open and decided.

    ``check`` is called in each batch's transaction, and ends the deletion by what it raises.
    """
    total = Counter({"open": 0, "decided": 0})
    while found := _some(database, which, batch):
        with database.write() as session:
            store.lock_for_writing(session)
            check(session)
            these = col(Review.id).in_(found) & which
            counts = count_reviews(session, these)
            session.execute(delete(Review).where(these))
            if any(counts.values()):  # Otherwise another gateway was faster.
                told = {**(details or {}), **counts}
                store.record(session, actor=actor, action=action, subject=REVIEWS, reason="", details=told)
        total.update(counts)
    if total.total():
        database.scrub()
    return dict(total)


def count_reviews(session: Session, which: ColumnElement[bool]) -> dict[str, int]:
    """Return how many of the reviews for which a condition holds are open, and how many decided."""
    query = select(Review.status, func.count()).where(which).group_by(col(Review.status))
    counts = dict(session.exec(query).all())
    return {"open": counts.pop(_OPEN, 0), "decided": sum(counts.values())}


def _some(database: Database, which: ColumnElement[bool], batch: int) -> list[str]:
    with database.read() as session:
        return list(session.exec(select(Review.id).where(which).order_by(col(Review.id)).limit(batch)).all())
