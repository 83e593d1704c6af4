"""``/console/reviews``: the queue, and one review with what was asked and answered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from litestar import Response, get
from litestar.params import FromPath, FromQuery

from postil.gateway.api.admin.auth import check_domain
from postil.gateway.api.admin.params import AnyRequest, caller_of
from postil.gateway.api.admin.schemas.reviews import show_review, show_summary
from postil.gateway.api.console.marked import failed, marked
from postil.gateway.api.console.notices import said_once
from postil.gateway.api.console.pages import PREFIX, Pages
from postil.gateway.api.console.person import person
from postil.gateway.api.console.sessions import Session
from postil.gateway.control.reading_log import ReadingLog
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.control.reviews import Reviews
from postil.gateway.tenancy.denied_attempts import DeniedAttempts
from postil.gateway.tenancy.permissions import Permission
from postil.plugins import ReleaseRef
from postil.plugins.texts import label_answer
from postil.registry.db import tables
from postil.registry.db.paging import Page
from postil.registry.db.tables import utcnow
from postil.registry.errors import ConflictError, NotFoundError
from postil.registry.names import parse_domain
from postil.registry.policy.policy import Output, policy_from
from postil.registry.releases.service import Registry
from postil.registry.reviews import reviews
from postil.registry.reviews.bounds import OPEN
from postil.registry.reviews.claims import check_undoable, claim
from postil.registry.reviews.decisions import told_decision
from postil.registry.reviews.holders import claimed_by_another

_PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class ReviewPages:
    """What the pages of reviews are made of."""

    registry: RegistryHandle
    reviewing: Reviews
    readings: ReadingLog
    denied: DeniedAttempts
    pages: Pages
    # How long who opens a review has it.
    claim_lasts: timedelta

    async def theirs(self, request: AnyRequest, review_id: str) -> tables.Review:
        """Return a review if its domain is one of the key's. Raises NotFoundError otherwise."""
        return await asyncio.to_thread(reviews.get, self.registry.database(), review_id, caller_of(request).scope)

    def opened(self, review_id: str, reader: str) -> tables.Review:
        """Return an open review, which is the reader's for a while if nobody has it. Not for the event loop."""
        database = self.registry.database()
        claim(database, review_id, reader, now=utcnow(), lasts=self.claim_lasts)
        return reviews.get(database, review_id)


def review_page_routes(parts: ReviewPages) -> list[Any]:
    """Return the routes of the queue and of one review."""
    return [_queue_route(parts), _review_route(parts)]


def _queue_route(parts: ReviewPages) -> Any:
    @get("/reviews", may=Permission.REVIEW)
    async def queue(
        request: AnyRequest,
        status: FromQuery[str] = OPEN,
        domain: FromQuery[str] = "",
        mine: FromQuery[str] = "",
        after: FromQuery[str | None] = None,
    ) -> Response[str]:
        if domain:
            check_domain(parts.denied, request, Permission.REVIEW, parse_domain(domain), PREFIX)
        page = await asyncio.to_thread(
            reviews.reviews,
            parts.registry.database(),
            status=None if status == "all" else status,
            domain=domain or None,
            assigned_to=person(request) if mine else None,
            domains=caller_of(request).scope,
            newest_first=status != OPEN,
            after=after,
            limit=_PER_PAGE,
        )
        chosen = {"status": status, "domain": domain, "mine": bool(mine)}
        return _queue(parts, request, page, chosen)

    return queue


def _queue(parts: ReviewPages, request: AnyRequest, page: Page[tables.Review], chosen: dict[str, Any]) -> Response[str]:
    return parts.pages.page(
        request,
        "reviews.html",
        rows=list(map(show_summary, page.items)),
        statuses=(*reviews.STATUSES, "all"),
        chosen=chosen,
        next=page.next,
        said=said_once(request),
        undo=undoable(request),
    )


def _review_route(parts: ReviewPages) -> Any:
    @get("/reviews/{review_id:str}", may=Permission.REVIEW)
    async def shown(request: AnyRequest, review_id: FromPath[str]) -> Response[str]:
        row, reader = await parts.theirs(request, review_id), person(request)
        await parts.readings.note_review(reader, row.id)
        if row.status == OPEN:
            row = await asyncio.to_thread(parts.opened, row.id, reader)
        output = await asyncio.to_thread(output_of, parts.registry.get(), row)
        review, now = show_review(row), utcnow()
        return parts.pages.page(
            request,
            "review.html",
            review=review,
            failed=failed(review.verdicts),
            answer=marked(review.answer, failed(review.verdicts)),
            labels=labels_of(output),
            chosen=_label_of(output, row.final),
            until=row.claimed_until if review.assigned_to else None,
            taken=claimed_by_another(row, reader, now),
            told=told_decision(row) is not None,
            said=said_once(request),
            undo=row.id if _may_undo(row, reader, now) else undoable(request),
        )

    return shown


def output_of(registry: Registry, row: tables.Review) -> Output | None:
    """Return the policy's rules for answers; None where it has none, or where the release is gone."""
    try:
        release = registry.release(ReleaseRef(row.domain, row.adapter, row.number))
    except NotFoundError:
        return None
    return policy_from(release.policy).output


def labels_of(output: Output | None) -> Sequence[str]:
    """Return the answers that a person can choose."""
    if output is None or output.labels is None:
        return ()
    return (*output.labels, *filter(None, [output.reject]))


def undoable(request: AnyRequest) -> str:
    """Return the review that a person decided last on these pages; empty if there is none."""
    return cast("Session", request.scope["session"]).decided


def _may_undo(row: tables.Review, reader: str, now: datetime) -> bool:
    try:
        check_undoable(row, reader, now)
    except ConflictError:
        return False
    return True


def _label_of(output: Output | None, answer: str | None) -> str | None:
    """Return the label that an answer stands for."""
    for label in labels_of(output):
        if output is not None and label_answer(output.field, label) == answer:
            return label
    return None
