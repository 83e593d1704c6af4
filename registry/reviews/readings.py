"""Who read reviews, or took examples out of them: events, which hold ids and no text."""

from __future__ import annotations

from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.review_deletion import REVIEWS

READ, EXPORT = "review-read", "review-export"


def record_reading(database: Database, *, actor: str, review: str) -> None:
    """Record that somebody read a review."""
    with database.write() as session:
        store.lock_for_writing(session)
        store.record(session, actor=actor, action=READ, subject=REVIEWS, reason="", details={"review": review})


def record_export(database: Database, *, actor: str, adapter: str) -> None:
    """Record that somebody took an adapter's decided reviews as examples."""
    with database.write() as session:
        store.lock_for_writing(session)
        store.record(session, actor=actor, action=EXPORT, subject=REVIEWS, reason="", details={"adapter": adapter})
