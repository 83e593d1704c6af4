"""Decisions to post to webhooks: each is claimed by one gateway before it is posted.

A claim expires: if a gateway crashes before it notes the result, another one claims the decision. A webhook therefore
gets a decision once, or twice if a gateway crashes between posting and noting.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, or_, tuple_
from sqlmodel import col, select

from postil.registry.db.database import Database
from postil.registry.db.tables import Review, utcnow


def claim(
    database: Database, holder: str, *, now: datetime, lasts: timedelta, busy: Collection[tuple[str, str]] = ()
) -> Review | None:
    """Claim the oldest due decision for this gateway until the claim expires; None if there is none.

    Pairs of a domain and a webhook in ``busy``, which have a running post or wait, are skipped.
    """
    due = _is_due(now) & tuple_(col(Review.domain), col(Review.webhook)).not_in(busy)
    query = select(Review).where(due).order_by(col(Review.next_try), col(Review.id)).limit(1)
    with database.read() as session:
        # Usually nothing is due; this check takes no write lock.
        if session.exec(query).one_or_none() is None:
            return None
    with database.write() as session:
        # On PostgreSQL another gateway may claim the same row concurrently; SQLite has one writer at a time.
        review = session.exec(query.with_for_update(skip_locked=True)).one_or_none()
        if review is not None:
            review.delivery_claimed_by, review.delivery_claimed_until = holder, now + lasts
            session.add(review)
        return review


def note(database: Database, review: Review, holder: str, *, told: bool, next_try: datetime | None) -> None:
    """Note an attempt: delivered, to be retried at ``next_try``, or given up (None).

    If the claim has expired and another gateway has it now, only a delivery is noted.
    """
    with database.write() as session:
        row = session.get_one(Review, review.id, with_for_update=True)
        if row.delivery_claimed_by != holder and not told:
            return
        row.tries += 1
        row.told = utcnow() if told else row.told
        row.next_try = None if told else next_try
        row.delivery_claimed_by = row.delivery_claimed_until = None
        session.add(row)


def _is_due(now: datetime) -> ColumnElement[bool]:
    until = col(Review.delivery_claimed_until)
    return (col(Review.next_try) <= now) & or_(until.is_(None), until <= now)
