"""Deletes reviews: those whose time is over, and those that a person names. The log keeps counts, never a text."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, true
from sqlmodel import col

from postil.registry.db.database import Database
from postil.registry.db.review_deletion import BATCH, EXPIRE, PURGE, count_reviews, delete_reviews
from postil.registry.db.tables import Review
from postil.registry.errors import TextError


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

    Those from before there was such a time are kept ``keep_days``.
    """
    until, created = col(Review.keep_until), col(Review.created_at)
    over = (until <= now) | (until.is_(None) & (created <= now - timedelta(days=keep_days)))
    return sum(delete_reviews(database, over, action=EXPIRE, actor="postil", batch=batch).values())
