"""Who read reviews, or took examples out of them: events, which hold ids and counts and no text."""

from __future__ import annotations

from typing import Any

from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.reviews.retention import REVIEWS

READ, EXPORT = "review-read", "review-export"


def record_reading(database: Database, action: str, *, actor: str, details: dict[str, Any]) -> None:
    """Record that somebody read one review, or the examples of an adapter."""
    with database.write() as session:
        store.lock_for_writing(session)
        store.record(session, actor=actor, action=action, subject=REVIEWS, reason="", details=details)
