"""The decisions on a review in their order, and which of them its client was told: the first, whatever came later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from postil.registry.db.tables import Review
from postil.registry.reviews.bounds import OPEN

UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody decided, and when. ``final`` is the answer that stood then."""

    status: str
    final: str | None
    at: datetime


def told_decision(review: Review) -> Decision | None:
    """Return the decision that the client was told; None before the first."""
    if review.decisions:
        first = review.decisions[0]
        return Decision(first["status"], first["final"], datetime.fromisoformat(first["at"]))
    if review.status == OPEN:
        return None
    return Decision(review.status, review.final, review.decided_at or review.created_at)


def noted(review: Review) -> list[dict[str, Any]]:
    """Return all decisions with the one that stands, which reviews of earlier versions did not note."""
    if review.decisions:
        return review.decisions
    return [entry(review.decided_by or "", review.status, review.final, review.decided_at or review.created_at)]


def entry(actor: str, status: str, final: str | None, at: datetime) -> dict[str, Any]:
    """Return a decision as it is stored."""
    return {"by": actor, "status": status, "final": final, "at": at.isoformat()}
