"""Exports decided reviews as labelled examples in the format that ``postil train`` reads."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlmodel import col, select

from postil.registry.db.database import Database
from postil.registry.db.tables import Review
from postil.registry.names import AdapterName
from postil.registry.policy.policy import policy_from
from postil.registry.releases.service import Registry
from postil.registry.reviews.asked import is_whole, last_message
from postil.registry.reviews.reviews import APPROVED, EDITED


def examples(registry: Registry, name: AdapterName, since: datetime | None = None) -> list[dict[str, str]]:
    """Return one ``{"instruction", "input", "output"}`` per approved or edited message; the last decision counts.

    Rejected answers have no right answer and are left out, as are messages that were too long to be stored whole.
    Raises NotFoundError if there is no such adapter.
    """
    instructions = {
        release.number: policy_from(release.policy).system_prompt or "" for release in registry.state(name).releases
    }
    found: dict[str, dict[str, str]] = {}
    for review in _decided(registry.database, name, since):
        message = last_message(review.request)
        if message and review.final and is_whole(review.request):
            row = {"instruction": instructions.get(review.number, ""), "input": message, "output": review.final}
            found[" ".join(message.casefold().split())] = row
    return list(found.values())


def _decided(database: Database, name: AdapterName, since: datetime | None) -> Iterable[Review]:
    query = (
        select(Review)
        .where(Review.domain == name.domain, Review.adapter == name.adapter)
        .where(col(Review.status).in_((APPROVED, EDITED)))
        .order_by(col(Review.decided_at), col(Review.id))
    )
    if since is not None:
        query = query.where(col(Review.decided_at) >= since)
    with database.read() as session:
        return session.exec(query).all()
