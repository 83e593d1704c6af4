"""How many reviews wait for a decision, and since when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func
from sqlmodel import col, select

from postil.registry.db.database import Database
from postil.registry.db.tables import Review
from postil.registry.reviews.bounds import OPEN


@dataclass(frozen=True, slots=True)
class OpenReviews:
    """The open reviews of a domain: how many, and how long the oldest waits."""

    count: int
    oldest_seconds: float


def open_reviews(database: Database, now: datetime) -> dict[str, OpenReviews]:
    """Return the open reviews by domain; a domain without any is left out."""
    domain = col(Review.domain)
    wanted = select(domain, func.count(), func.min(Review.created_at)).where(Review.status == OPEN).group_by(domain)
    with database.read() as session:
        return {
            name: OpenReviews(count, max(0.0, (now - oldest).total_seconds()))
            for name, count, oldest in session.exec(wanted)
        }
