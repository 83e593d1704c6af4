"""Claims: who opens a review has it for some minutes, so that no two decide the same. And undoing a decision."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import or_, update
from sqlmodel import col

from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.tables import Review
from postil.registry.errors import ConflictError
from postil.registry.reviews.bounds import OPEN
from postil.registry.reviews.decisions import UNDONE, entry, noted
from postil.registry.reviews.holders import is_free_for
from postil.registry.reviews.reviews import find, record

# How long one's own decision can be undone.
UNDO_WITHIN = timedelta(minutes=5)


def claim(database: Database, review_id: str, person: str, *, now: datetime, lasts: timedelta) -> bool:
    """Claim an open review that nobody else has; returns whether the person has it now. Other claims of theirs end.

    One that is assigned to the person stays so. It takes no lock on the event log: nothing is recorded.
    """
    mine = (col(Review.assigned_to) == person) & col(Review.claimed_until).is_not(None) & (col(Review.status) == OPEN)
    free = (col(Review.id) == review_id) & (col(Review.status) == OPEN) & is_free_for(person, now)
    not_assigned = or_(col(Review.assigned_to).is_(None), col(Review.claimed_until).is_not(None))
    with database.write() as session:
        session.execute(
            update(Review).where(mine & (col(Review.id) != review_id)).values(assigned_to=None, claimed_until=None)
        )
        session.execute(update(Review).where(free & not_assigned).values(assigned_to=person, claimed_until=now + lasts))
        review = session.get(Review, review_id, populate_existing=True)
        return review is not None and review.status == OPEN and review.assigned_to == person


def undo(database: Database, wanted: str, *, actor: str, now: datetime, within: timedelta = UNDO_WITHIN) -> Review:
    """Undo one's own decision a short time after it: the review is open again, and has no label.

    What the client was told of the decision stays as it is, and a webhook that waits for it gets it. Raises
    NotFoundError, or ConflictError if it was somebody else's, is too long ago, or there is none.
    """
    with database.write() as session:
        store.lock_for_writing(session)
        review = find(session, wanted)
        check_undoable(review, actor, now, within)
        review.decisions = [*noted(review), entry(actor, UNDONE, None, now)]
        record(session, review, "review-undo", actor, f"it was {review.status}")
        review.status, review.note = OPEN, ""
        review.decided_by = review.decided_at = review.final = None
        session.add(review)
        return review


def check_undoable(review: Review, person: str, now: datetime, within: timedelta = UNDO_WITHIN) -> None:
    """Raise ConflictError unless this person may still undo the decision on a review."""
    if review.status == OPEN or review.decided_at is None:
        raise ConflictError(f"review {review.id[:8]} is open; there is nothing to undo")
    if review.decided_by != person:
        raise ConflictError(
            f"review {review.id[:8]} was {review.status} by {review.decided_by}; only who decided undoes it"
        )
    if review.decided_at <= now - within:
        minutes = int(within.total_seconds() // 60)
        raise ConflictError(
            f"review {review.id[:8]} was {review.status} more than {minutes} minutes ago; that decision stands"
        )
