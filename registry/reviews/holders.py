"""Who has a review: a person that it is assigned to, or that opened it a short time ago and claimed it with that."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, or_
from sqlmodel import col

from postil.registry.db.tables import Review
from postil.registry.errors import ConflictError


def holder(review: Review, now: datetime) -> str | None:
    """Return who has a review; nobody has one whose claim has expired."""
    expired = review.claimed_until is not None and review.claimed_until <= now
    return None if expired else review.assigned_to


def claimed_by_another(review: Review, person: str, now: datetime) -> bool:
    """Return whether somebody else has claimed a review and still has it. An assignment is no claim."""
    return review.claimed_until is not None and holder(review, now) not in (None, person)


def check_not_claimed(review: Review, person: str, now: datetime) -> None:
    """Raise ConflictError if somebody else has claimed a review."""
    if review.claimed_until is not None and claimed_by_another(review, person, now):
        until = review.claimed_until.strftime("%H:%M")
        raise ConflictError(
            f"review {review.id[:8]} is with {review.assigned_to} until {until} (UTC); decide another one, or wait"
        )


def is_free_for(person: str, now: datetime) -> ColumnElement[bool]:
    """Select what nobody but this person has."""
    return or_(col(Review.assigned_to).is_(None), col(Review.assigned_to) == person, col(Review.claimed_until) <= now)


def is_held_by(person: str, now: datetime) -> ColumnElement[bool]:
    """Select what this person has."""
    until = col(Review.claimed_until)
    return (col(Review.assigned_to) == person) & or_(until.is_(None), until > now)
