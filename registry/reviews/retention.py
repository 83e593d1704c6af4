"""Deletes reviews: those whose time is over, and those that a person names. The log keeps counts, never a text."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, true, update
from sqlmodel import col, select

from postil.registry.db.database import Database
from postil.registry.db.review_deletion import BATCH, EXPIRE, PURGE, count_reviews, delete_reviews
from postil.registry.db.tables import Review
from postil.registry.errors import TextError
from postil.registry.reviews.bounds import ReviewBounds, keep_until


def purge(
    database: Database,
    *,
    tenant: str | None = None,
    domain: str | None = None,
    before: datetime | None = None,
    actor: str,
    dry_run: bool = False,
    batch: int = BATCH,
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
            return count_reviews(session, which)
    named = {"tenant": tenant, "domain": domain, "before": before.isoformat() if before else None}
    details = {name: value for name, value in named.items() if value is not None}
    return delete_reviews(database, which, action=PURGE, actor=actor, details=details, batch=batch)


def expire(database: Database, now: datetime, keep_days: int, *, batch: int = BATCH) -> int:
    """Delete the reviews whose time is over, decided or not; returns how many.

    Those from before there was such a time are kept ``keep_days`` from now: an upgrade alone deletes nothing. What
    was deleted before, while somebody read the database, leaves its files now.
    """
    _give_times(database, now, ReviewBounds(keep_days=keep_days), batch)
    over = col(Review.keep_until) <= now
    deleted = sum(delete_reviews(database, over, action=EXPIRE, actor="postil", batch=batch).values())
    if not deleted:
        database.scrub()
    return deleted


def _give_times(database: Database, now: datetime, bounds: ReviewBounds, batch: int) -> None:
    timeless = select(Review.id, Review.domain).where(col(Review.keep_until).is_(None)).limit(batch)
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
