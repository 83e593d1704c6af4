"""Deletes reviews: those whose time is over, and those that a person names. The log keeps counts, never a text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, true, update
from sqlmodel import Session, col, select

from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.tables import Review
from postil.registry.errors import TextError
from postil.registry.reviews.bounds import OPEN, ReviewBounds, keep_until

PURGE, EXPIRE = "review-purge", "review-expire"
# The subject of events about reviews that are of no one adapter.
REVIEWS = "reviews"
# Rows of one transaction, so that the deletion of many does not hold up other writers for long.
_BATCH = 500


def purge(
    database: Database,
    *,
    tenant: str | None = None,
    domain: str | None = None,
    before: datetime | None = None,
    actor: str,
    dry_run: bool = False,
) -> dict[str, int]:
    """Delete the reviews of a tenant, of a domain, or opened before a time; returns how many were open and decided.

    Undecided ones go too. Raises TextError if nothing says which.
    """
    if tenant is None and domain is None and before is None:
        raise TextError("say which reviews: of a --tenant, of a --domain, or opened --before a day")
    which: ColumnElement[bool] = true()
    if tenant is not None:
        which &= col(Review.tenant) == tenant
    if domain is not None:
        which &= col(Review.domain) == domain
    if before is not None:
        which &= col(Review.created_at) < before
    if dry_run:
        with database.read() as session:
            return _counts(session, which)
    named = {"tenant": tenant, "domain": domain, "before": before.isoformat() if before else None}
    details = {name: value for name, value in named.items() if value is not None}
    with database.write() as session:
        store.lock_for_writing(session)
        counts = _counts(session, which)
        session.execute(delete(Review).where(which))
        _record(session, PURGE, actor, {**details, **counts})
    database.scrub()
    return counts


def expire(database: Database, now: datetime, keep_days: int) -> int:
    """Delete the reviews whose time is over, decided or not; returns how many.

    Those from before there was such a time are kept ``keep_days`` from now: an upgrade alone deletes nothing. What
    was deleted before, while somebody read the database, leaves its files now.
    """
    _give_times(database, now, ReviewBounds(keep_days=keep_days))
    over = col(Review.keep_until) <= now
    total = {"open": 0, "decided": 0}
    while True:
        with database.read() as session:
            found = session.exec(select(Review.id).where(over).order_by(col(Review.id)).limit(_BATCH)).all()
        if not found:
            break
        with database.write() as session:
            which = col(Review.id).in_(found)
            counts = _counts(session, which)
            session.execute(delete(Review).where(which))
        total = {name: total[name] + counts[name] for name in total}
    if any(total.values()):
        with database.write() as session:
            store.lock_for_writing(session)
            _record(session, EXPIRE, "postil", total)
    database.scrub()
    return sum(total.values())


def _give_times(database: Database, now: datetime, bounds: ReviewBounds) -> None:
    timeless = select(Review.id, Review.domain).where(col(Review.keep_until).is_(None)).limit(_BATCH)
    while True:
        with database.read() as session:
            found = session.exec(timeless).all()
        if not found:
            return
        with database.write() as session:
            for domain in {domain for _, domain in found}:
                until = keep_until(session, domain, now, None, bounds)
                its_own = col(Review.id).in_([name for name, of in found if of == domain])
                session.execute(update(Review).where(its_own).values(keep_until=until))


def _counts(session: Session, which: ColumnElement[bool]) -> dict[str, int]:
    query = select(Review.status, func.count()).where(which).group_by(col(Review.status))
    counts = dict(session.exec(query).all())
    waiting = counts.pop(OPEN, 0)
    return {"open": waiting, "decided": sum(counts.values())}


def _record(session: Session, action: str, actor: str, details: Mapping[str, Any]) -> None:
    store.record(session, actor=actor, action=action, subject=REVIEWS, reason="", details=details)
