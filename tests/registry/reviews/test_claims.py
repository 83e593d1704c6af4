"""A review is one person's for a while, and a decision can be undone a short time; its client is told the first."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlmodel import col

from postil.registry.db.tables import Review, utcnow
from postil.registry.errors import ConflictError
from postil.registry.releases import audit, history
from postil.registry.releases.service import Registry
from postil.registry.reviews import reviews
from postil.registry.reviews.claims import check_undoable, claim, undo
from postil.registry.reviews.decisions import told_decision
from postil.registry.reviews.holders import claimed_by_another, holder
from tests.registry.reviews.test_reviews import opened, triage

__all__ = ["triage"]
LASTS = WITHIN = timedelta(minutes=5)


def claimed(registry: Registry, review: Review, person: str, minutes: float = 0) -> bool:
    """Claim a review so many minutes from now."""
    return claim(registry.database, review.id, person, now=utcnow() + timedelta(minutes=minutes), lasts=LASTS)


def free(registry: Registry, person: str) -> list[str]:
    """What a person can take."""
    return [row.id for row in reviews.reviews(registry.database, status="open", free_for=person).items]


def test_a_claimed_review_is_one_persons_until_the_claim_expires(triage: Registry) -> None:
    review = opened(triage)
    assert claimed(triage, review, "ann")
    assert claimed(triage, review, "ann", 1), "a claim is made longer by its holder"
    assert not claimed(triage, review, "bob", 2)
    assert (free(triage, "ann"), free(triage, "bob")) == ([review.id], [])
    row = reviews.get(triage.database, review.id)
    assert (holder(row, utcnow()), holder(row, utcnow() + 2 * LASTS)) == ("ann", None)
    assert (claimed_by_another(row, "bob", utcnow()), claimed_by_another(row, "ann", utcnow())) == (True, False)
    assert claimed(triage, review, "bob", 7)
    assert [row.id for row in reviews.reviews(triage.database, assigned_to="bob").items] == [review.id]


def test_a_claim_that_has_expired_is_nobodys(triage: Registry) -> None:
    review = opened(triage)
    assert claimed(triage, review, "ann", -10)
    assert free(triage, "bob") == [review.id]
    assert reviews.reviews(triage.database, assigned_to="ann").items == []


def test_who_opens_another_review_gives_the_one_before_back_but_not_what_is_assigned(triage: Registry) -> None:
    first, second, assigned = (opened(triage) for _ in range(3))
    reviews.assign(triage.database, assigned.id, "ann", actor="bob")
    for review in (first, assigned, second):
        assert claimed(triage, review, "ann")
    assert free(triage, "bob") == [first.id]
    row = reviews.get(triage.database, assigned.id)
    assert (row.assigned_to, row.claimed_until) == ("ann", None)
    assert not claimed(triage, assigned, "bob")
    assert not claimed_by_another(row, "bob", utcnow()), "an assignment keeps nobody from deciding"


def test_what_is_decided_or_gone_is_not_claimed(triage: Registry) -> None:
    review = opened(triage)
    reviews.approve(triage.database, review.id, actor="ann")
    assert not claimed(triage, review, "ann")
    assert not claim(triage.database, "0" * 32, "ann", now=utcnow(), lasts=LASTS)


def test_nobody_else_decides_what_somebody_has_claimed(triage: Registry) -> None:
    review = opened(triage)
    claimed(triage, review, "ann")
    with pytest.raises(ConflictError, match=r"^review \w+ is with ann until \d\d:\d\d \(UTC\); decide"):
        reviews.approve(triage.database, review.id, actor="bob")
    decided = reviews.approve(triage.database, review.id, actor="ann")
    assert (decided.assigned_to, decided.claimed_until) == (None, None)
    other = opened(triage)
    claimed(triage, other, "ann", -10)
    assert reviews.reject(triage.database, other.id, actor="bob").status == "rejected"


def test_an_undone_decision_leaves_no_label_and_is_recorded(triage: Registry) -> None:
    review = opened(triage)
    reviews.edit(triage.database, review.id, "symptoms", actor="ann", note="clearly")
    undone = undo(triage.database, review.id, actor="ann", now=utcnow(), within=WITHIN)
    assert (undone.status, undone.final, undone.decided_by, undone.decided_at, undone.note) == (
        "open",
        None,
        None,
        None,
        "",
    )
    event = history.events(triage.database, newest_first=True, limit=1).items[0]
    assert (event.actor, event.action, event.details["review"]) == ("ann", "review-undo", review.id)
    assert [one["status"] for one in undone.decisions] == ["edited", "undone"]
    again = reviews.approve(triage.database, review.id, actor="bob")
    assert ([one["status"] for one in again.decisions], again.final) == (
        ["edited", "undone", "approved"],
        review.answer,
    )
    audit.verify(triage.database)


def test_the_client_is_told_the_first_decision_whatever_came_later(triage: Registry) -> None:
    review = opened(triage)
    assert told_decision(review) is None
    first = reviews.edit(triage.database, review.id, "symptoms", actor="ann")
    undo(triage.database, review.id, actor="ann", now=utcnow(), within=WITHIN)
    reviews.reject(triage.database, review.id, actor="ann")
    told = told_decision(reviews.get(triage.database, review.id))
    assert told is not None
    assert (told.status, told.final, told.at) == ("edited", '{"category": "symptoms"}', first.decided_at)


def test_a_decision_of_an_earlier_version_is_told_and_undone_too(triage: Registry) -> None:
    review = opened(triage)
    decided = reviews.approve(triage.database, review.id, actor="ann")
    with triage.database.write() as session:
        session.execute(update(Review).where(col(Review.id) == review.id).values(decisions=[]))
    row = reviews.get(triage.database, review.id)
    told = told_decision(row)
    assert told is not None
    assert (told.status, told.at) == ("approved", decided.decided_at)
    undone = undo(triage.database, review.id, actor="ann", now=utcnow(), within=WITHIN)
    assert [(one["by"], one["status"]) for one in undone.decisions] == [("ann", "approved"), ("ann", "undone")]
    assert told_decision(undone) == told


def test_a_webhook_is_told_once_of_a_review_that_is_decided_again(triage: Registry) -> None:
    review = opened(triage)
    with triage.database.write() as session:
        session.execute(update(Review).where(col(Review.id) == review.id).values(webhook="decisions"))
    first = reviews.approve(triage.database, review.id, actor="ann")
    assert first.next_try == first.decided_at
    assert undo(triage.database, review.id, actor="ann", now=utcnow(), within=WITHIN).next_try == first.next_try
    assert reviews.reject(triage.database, review.id, actor="ann").next_try == first.next_try


def test_only_who_decided_undoes_it_and_only_soon(triage: Registry) -> None:
    review = opened(triage)
    now = utcnow()
    with pytest.raises(ConflictError, match="is open; there is nothing to undo"):
        undo(triage.database, review.id, actor="ann", now=now, within=WITHIN)
    decided = reviews.approve(triage.database, review.id, actor="ann")
    with pytest.raises(ConflictError, match="was approved by ann; only who decided undoes it"):
        check_undoable(decided, "bob", now, WITHIN)
    with pytest.raises(ConflictError, match="was approved more than 5 minutes ago; that decision stands"):
        undo(triage.database, review.id, actor="ann", now=now + 2 * WITHIN, within=WITHIN)
    assert reviews.get(triage.database, review.id).status == "approved"
