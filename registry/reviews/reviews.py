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

from sqlmodel import Session, col, select

from postil.plugins import ReleaseRef
from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.paging import DEFAULT_LIMIT, Order, Page, page
from postil.registry.db.tables import Release, Review, utcnow
from postil.registry.errors import ConflictError, NotFoundError, TextError
from postil.registry.names import AdapterName
from postil.registry.policy.policy import Output, policy_from
from postil.registry.text import kept, kept_line, kept_lines

OPEN, APPROVED, EDITED, REJECTED = "open", "approved", "edited", "rejected"
STATUSES = (OPEN, APPROVED, EDITED, REJECTED)
_SHORTEST = 4
_NEWEST_FIRST = Order("reviews", [(col(Review.created_at), datetime), (col(Review.id), str)], downwards=True)


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


def open_review(database: Database, opening: ReviewRequest) -> Review:
    """Store a review."""
    ref = opening.release
    review = Review(
        id=uuid.uuid4().hex,
        domain=ref.domain,
        adapter=ref.adapter,
        number=ref.number,
        tenant=opening.tenant,
        request=dict(opening.request),
        answer=opening.answer.replace("\0", ""),  # PostgreSQL cannot store these characters in a text.
        reason=opening.reason.replace("\0", ""),
        verdicts=[dict(verdict) for verdict in opening.verdicts],
        holding=opening.holding,
        assigned_to=opening.assign_to,
        webhook=opening.webhook,
    )
    with database.write() as session:
        session.add(review)
    return review


def get(database: Database, wanted: str, domains: Collection[str] | None = None) -> Review:
    """Return the review with this id or unique id prefix, among those of ``domains``. Raises NotFoundError."""
    with database.read() as session:
        return _found(session, wanted, domains)


def of_tenant(database: Database, wanted: str, tenant: str) -> Review:
    """Return a tenant's review by full id. Raises NotFoundError, with the same text for every other id."""
    with database.read() as session:
        review = session.get(Review, wanted)
    if review is None or review.tenant != tenant:
        raise NotFoundError(f"there is no review {wanted[:40]!r}")
    return review


def reviews(
    database: Database,
    *,
    status: str | None = None,
    domain: str | None = None,
    assigned_to: str | None = None,
    domains: Collection[str] | None = None,
    after: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Review]:
    """List the reviews that match, newest first. Raises TextError or PagingError."""
    if status is not None and status not in STATUSES:
        raise TextError(f"there is no status {status[:20]!r}; there are {', '.join(STATUSES)}")
    query = select(Review)
    for column, value in ((Review.status, status), (Review.domain, domain), (Review.assigned_to, assigned_to)):
        if value is not None:
            query = query.where(col(column) == value)
    if domains is not None:
        query = query.where(col(Review.domain).in_(domains))
    with database.read() as session:
        return page(session, query, _NEWEST_FIRST, after, limit)


def assign(database: Database, wanted: str, person: str, *, actor: str) -> Review:
    """Assign an open review to a person. Raises NotFoundError, or ConflictError if it is decided."""
    if not person.strip():
        raise TextError("a review is assigned to somebody; say to whom")
    with database.write() as session:
        store.lock_for_writing(session)
        review = _undecided(session, wanted)
        review.assigned_to = kept_line(person, "name of a person")
        session.add(review)
        _record(session, review, "review-assign", actor, person)
        return review


def approve(database: Database, wanted: str, *, actor: str, note: str = "") -> Review:
    """Approve the model's answer. Raises NotFoundError, or ConflictError if it is already decided."""
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
        review = _undecided(session, wanted)
        review.status, review.decided_by, review.decided_at = status, actor, utcnow()
        review.note = kept_lines(note, "note")
        if status == APPROVED:
            review.final = review.answer
        elif text is not None:
            review.final = fitting(text, _output(session, review))
        review.next_try = review.decided_at if review.webhook else None
        session.add(review)
        _record(session, review, f"review-{status}", actor, note)
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
                return json.dumps(answer)
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


def _found(session: Session, wanted: str, domains: Collection[str] | None = None) -> Review:
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
    review = _found(session, wanted)
    if review.status != OPEN:
        at = review.decided_at.strftime("%Y-%m-%d %H:%M") if review.decided_at else ""
        raise ConflictError(f"review {review.id[:8]} was {review.status} by {review.decided_by} at {at} (UTC) already")
    return review


def _record(session: Session, review: Review, action: str, actor: str, reason: str) -> None:
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
