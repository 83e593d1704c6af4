"""Reviews: answers that a person checks, with one decision each.

Opening a review writes one row and no event, because it is on the path of a request and must not wait for the event
log's write lock. Decisions and assignments are events; requests and answers are not part of them.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import defer
from sqlmodel import Session, col, select

from postil.plugins import ReleaseRef
from postil.plugins.texts import label_answer
from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.paging import DEFAULT_LIMIT, Order, Page, page
from postil.registry.db.tables import Release, Review, utcnow
from postil.registry.errors import ConflictError, NotFoundError, TextError
from postil.registry.names import AdapterName
from postil.registry.policy.policy import Output, policy_from
from postil.registry.reviews.asked import cut
from postil.registry.reviews.bounds import OPEN, ReviewBounds, check_room, keep_until
from postil.registry.reviews.decisions import entry
from postil.registry.reviews.holders import check_not_claimed, is_free_for, is_held_by
from postil.registry.text import kept, kept_line, kept_lines

APPROVED, EDITED, REJECTED = "approved", "edited", "rejected"
STATUSES = (OPEN, APPROVED, EDITED, REJECTED)
# Why an answer is reviewed: it passed and was drawn for an audit, the model was unsure, or another check asked for it.
AUDIT, LOW_CONFIDENCE, CHECK = "audit", "low_confidence", "check"
_BOUNDS = ReviewBounds()
_SHORTEST = 4
# What was asked, answered and remarked: read one by one, and recorded.
_TEXTS = ("request", "answer", "verdicts", "holding", "final", "note", "decisions")
_KEYS = ((col(Review.created_at), datetime), (col(Review.id), str))


@dataclass(frozen=True, slots=True)
class ReviewRequest:
    """A review to open: the request, the model's answer, and the reason for the review.

    ``holding`` is what the client got in place of the answer, or None if it got the answer.
    """

    release: ReleaseRef
    tenant: str
    request: Mapping[str, Any]
    answer: str
    reason: str
    verdicts: Sequence[Mapping[str, Any]]
    holding: str | None
    assign_to: str | None = None
    webhook: str | None = None
    # The tenant's id, which another of the same name does not share.
    tenant_uid: str = ""
    drawn_by: str = CHECK
    # How probable it was that this answer would be reviewed.
    probability: float = 1.0
    # The id of the request that was answered.
    request_id: str = ""
    keep_days: int | None = None


def open_review(database: Database, opening: ReviewRequest, bounds: ReviewBounds = _BOUNDS) -> Review:
    """Store a review, with what a reviewer needs of a large request.

    Raises QuotaError if too many are open, or NotFoundError if the tenant was removed while it was answered.
    """
    ref, now = opening.release, utcnow()
    review = Review(
        id=uuid.uuid4().hex,
        domain=ref.domain,
        adapter=ref.adapter,
        number=ref.number,
        tenant=opening.tenant,
        request=cut(opening.request, bounds.request_bytes),
        answer=opening.answer.replace("\0", ""),  # PostgreSQL cannot store these characters in a text.
        reason=opening.reason.replace("\0", ""),
        verdicts=[dict(verdict) for verdict in opening.verdicts],
        holding=opening.holding,
        assigned_to=opening.assign_to,
        webhook=opening.webhook,
        created_at=now,
        tenant_uid=opening.tenant_uid,
        drawn_by=opening.drawn_by,
        probability=opening.probability,
        request_id=opening.request_id,
    )
    with database.write() as session:
        _hold_tenant(session, opening)
        check_room(session, ref.domain, (opening.tenant, opening.tenant_uid), bounds)
        review.keep_until = keep_until(session, ref.domain, now, opening.keep_days, bounds)
        session.add(review)
    return review


def _hold_tenant(session: Session, opening: ReviewRequest) -> None:
    if opening.tenant_uid and store.hold_tenants(session, [opening.tenant]).get(opening.tenant) != opening.tenant_uid:
        raise NotFoundError(f"tenant {opening.tenant} was removed while it was answered; this is not stored")


def get(database: Database, wanted: str, domains: Collection[str] | None = None) -> Review:
    """Return the review with this id or unique id prefix, among those of ``domains``. Raises NotFoundError."""
    with database.read() as session:
        return find(session, wanted, domains)


def of_tenant(database: Database, wanted: str, tenant: str, uid: str) -> Review:
    """Return a review by full id, if this tenant's answer is in it: an earlier one of the same name had another id.

    Raises NotFoundError, with the same text for every other id.
    """
    with database.read() as session:
        review = session.get(Review, wanted)
    if review is None or (review.tenant, review.tenant_uid) != (tenant, uid):
        raise NotFoundError(f"there is no review {wanted[:40]!r}")
    return review


def reviews(
    database: Database,
    *,
    status: str | None = None,
    domain: str | None = None,
    assigned_to: str | None = None,
    free_for: str | None = None,
    domains: Collection[str] | None = None,
    newest_first: bool = False,
    after: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Review]:
    """List the reviews that match, oldest first, without their texts. Raises TextError or PagingError.

    ``free_for`` leaves out what anybody but this person has; a claim that has expired is nobody's.
    """
    if status is not None and status not in STATUSES:
        raise TextError(f"there is no status {status[:20]!r}; there are {', '.join(STATUSES)}")
    query = select(Review).options(*(defer(getattr(Review, name)) for name in _TEXTS))
    for column, value in ((Review.status, status), (Review.domain, domain)):
        if value is not None:
            query = query.where(col(column) == value)
    if assigned_to is not None:
        query = query.where(is_held_by(assigned_to, utcnow()))
    if free_for is not None:
        query = query.where(is_free_for(free_for, utcnow()))
    if domains is not None:
        query = query.where(col(Review.domain).in_(domains))
    with database.read() as session:
        return page(session, query, Order("reviews", _KEYS, newest_first), after, limit)


def no_longer_open(database: Database, wanted: Collection[str]) -> Sequence[str]:
    """Return the ids among these that need no decision any more: decided, or deleted."""
    query = select(Review.id).where(col(Review.id).in_(wanted), Review.status == OPEN)
    with database.read() as session:
        waiting = set(session.exec(query).all())
    return [review for review in wanted if review not in waiting]


def assign(database: Database, wanted: str, person: str, *, actor: str) -> Review:
    """Assign an open review to a person. Raises NotFoundError, or ConflictError if it is decided."""
    if not person.strip():
        raise TextError("a review is assigned to somebody; say to whom")
    with database.write() as session:
        store.lock_for_writing(session)
        review = _undecided(session, wanted)
        review.assigned_to, review.claimed_until = kept_line(person, "name of a person"), None
        session.add(review)
        record(session, review, "review-assign", actor, person)
        return review


def approve(database: Database, wanted: str, *, actor: str, note: str = "") -> Review:
    """Approve the model's answer.

    Raises NotFoundError, or ConflictError if it is already decided or somebody else has claimed it.
    """
    return _decide(database, wanted, APPROVED, None, actor=actor, note=note)


def edit(database: Database, wanted: str, text: str, *, actor: str, note: str = "") -> Review:
    """Replace the answer: with a label of the policy or its JSON, or any text if the policy has no output rules.

    Raises TextError if the release could not give this answer; otherwise like ``approve``.
    """
    return _decide(database, wanted, EDITED, text, actor=actor, note=note)


def reject(database: Database, wanted: str, *, actor: str, note: str = "") -> Review:
    """Reject the answer without a replacement; otherwise like ``approve``."""
    return _decide(database, wanted, REJECTED, None, actor=actor, note=note)


def _decide(database: Database, wanted: str, status: str, text: str | None, *, actor: str, note: str) -> Review:
    with database.write() as session:
        store.lock_for_writing(session)
        review, now = _undecided(session, wanted), utcnow()
        check_not_claimed(review, actor, now)
        review.status, review.decided_by, review.decided_at = status, actor, now
        review.note = kept_lines(note, "note")
        if status == APPROVED:
            review.final = review.answer
        elif text is not None:
            review.final = fitting(text, _output(session, review))
        if not review.decisions and review.webhook:  # A decision that was undone has been told, or will be.
            review.next_try = now
        if review.claimed_until is not None:
            review.assigned_to = review.claimed_until = None
        review.decisions = [*review.decisions, entry(actor, status, review.final, now)]
        session.add(review)
        record(session, review, f"review-{status}", actor, note)
        return review


def fitting(text: str, output: Output | None) -> str:
    """Convert a person's text to the format of the release's answers. Raises TextError if that is impossible."""
    kept(text, "answer")
    if output is None:
        return text
    if output.labels is not None:
        for label in (*output.labels, *filter(None, [output.reject])):
            answer = {output.field: label}
            if text.strip() == label or _value(text) == answer:
                return label_answer(output.field, label)
        raise TextError(f"{text[:60]!r} is not one of {', '.join(output.labels)}; give one of these")
    if _value(text) is None:
        raise TextError("the answer has to be JSON, as the policy's json_schema says")
    return text


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _output(session: Session, review: Review) -> Output | None:
    release: Release | None = store.release(session, AdapterName(review.domain, review.adapter), review.number)
    return policy_from(release.policy).output if release else None


def find(session: Session, wanted: str, domains: Collection[str] | None = None) -> Review:
    """Return the review with this id or unique id prefix, among those of ``domains``. Raises NotFoundError."""
    review = session.get(Review, wanted)
    if review is not None and domains is not None and review.domain not in domains:
        review = None
    if review is None and len(wanted) >= _SHORTEST and wanted.isalnum():
        query = select(Review).where(col(Review.id).startswith(wanted)).limit(2)
        found = session.exec(query if domains is None else query.where(col(Review.domain).in_(domains))).all()
        if len(found) == 2:
            raise NotFoundError(f"more than one review begins with {wanted}; give more of its id")
        review = found[0] if found else None
    if review is None:
        raise NotFoundError(f"there is no review {wanted[:40]!r}; see `postil reviews list`")
    return review


def _undecided(session: Session, wanted: str) -> Review:
    review = find(session, wanted)
    if review.status != OPEN:
        at = review.decided_at.strftime("%Y-%m-%d %H:%M") if review.decided_at else ""
        raise ConflictError(f"review {review.id[:8]} was {review.status} by {review.decided_by} at {at} (UTC) already")
    return review


def record(session: Session, review: Review, action: str, actor: str, reason: str) -> None:
    """Record what was done to a review, without what was asked and answered."""
    store.record(
        session,
        actor=actor,
        action=action,
        subject=f"{review.domain}/{review.adapter}",
        reason=reason,
        after=review.number,
        details={"review": review.id},
        remark=True,
    )
