"""``/console/reviews``: the queue, one review with what was asked and answered, and the forms that decide."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery

from postil.gateway.api.admin.auth import check_domain
from postil.gateway.api.admin.params import AnyRequest, caller_of
from postil.gateway.api.admin.schemas.reviews import show_review, show_summary
from postil.gateway.api.console.forms import Form, read_form
from postil.gateway.api.console.marked import failed, marked
from postil.gateway.api.console.notices import go_to_and_say, said_once
from postil.gateway.api.console.pages import PREFIX, Pages
from postil.gateway.api.console.person import person
from postil.gateway.control.reading_log import ReadingLog
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.control.reviews import Reviews
from postil.gateway.tenancy.denied_attempts import DeniedAttempts
from postil.gateway.tenancy.permissions import Permission
from postil.plugins import ReleaseRef
from postil.plugins.texts import label_answer
from postil.registry.db import tables
from postil.registry.db.database import Database
from postil.registry.db.paging import Page
from postil.registry.errors import NotFoundError
from postil.registry.names import parse_domain
from postil.registry.policy.policy import Output, policy_from
from postil.registry.releases.service import Registry
from postil.registry.reviews import reviews
from postil.registry.reviews.bounds import OPEN

Act = Callable[..., tables.Review]
_PER_PAGE = 50
_DONE = {
    "claim": "The review is yours.",
    "approve": "Approved. This is the next one.",
    "edit": "Corrected. This is the next one.",
    "reject": "Rejected. This is the next one.",
}
_NONE_LEFT = "Decided. No other review waits for you."


@dataclass(frozen=True, slots=True)
class ReviewPages:
    """What the pages of reviews are made of."""

    registry: RegistryHandle
    reviewing: Reviews
    readings: ReadingLog
    denied: DeniedAttempts
    pages: Pages


def review_page_routes(parts: ReviewPages) -> list[Any]:
    """Return the routes of the queue, of one review, and of the forms."""
    return [_queue_route(parts), _review_route(parts), *_forms(parts)]


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
    )


def _review_route(parts: ReviewPages) -> Any:
    @get("/reviews/{review_id:str}", may=Permission.REVIEW)
    async def shown(request: AnyRequest, review_id: FromPath[str]) -> Response[str]:
        row = await _theirs(parts, request, review_id)
        await parts.readings.note_review(person(request), row.id)
        output = await asyncio.to_thread(_output, parts.registry.get(), row)
        review = show_review(row)
        return parts.pages.page(
            request,
            "review.html",
            review=review,
            failed=failed(review.verdicts),
            answer=marked(review.answer, failed(review.verdicts)),
            labels=_labels(output),
            chosen=_label_of(output, row.final),
            said=said_once(request),
        )

    return shown


def _forms(parts: ReviewPages) -> list[Any]:
    async def decided(request: AnyRequest, review_id: str, what: str, form: Form) -> Response[bytes]:
        row, actor = await _theirs(parts, request, review_id), person(request)
        act = await asyncio.to_thread(_act, parts.registry.get(), row, what, form)
        await asyncio.to_thread(partial(act, parts.registry.database(), row.id, actor=actor))
        parts.reviewing.notify_decided(row.id)
        following = await asyncio.to_thread(
            _next_review, parts.registry.database(), caller_of(request).scope, actor, row.domain
        )
        if following is None:
            return go_to_and_say(request, "/console/reviews", _NONE_LEFT)
        return go_to_and_say(request, f"/console/reviews/{following}", _DONE[what])

    def route(what: str) -> Any:
        @post(f"/reviews/{{review_id:str}}/{what}", status_code=200, may=Permission.REVIEW)
        async def sent(request: AnyRequest, review_id: FromPath[str]) -> Response[bytes]:
            return await decided(request, review_id, what, await read_form(request, ("note", "answer")))

        return sent

    @post("/reviews/{review_id:str}/claim", status_code=200, may=Permission.REVIEW)
    async def claim(request: AnyRequest, review_id: FromPath[str]) -> Response[bytes]:
        await read_form(request, ())
        row, actor = await _theirs(parts, request, review_id), person(request)
        await asyncio.to_thread(partial(reviews.assign, parts.registry.database(), row.id, actor, actor=actor))
        return go_to_and_say(request, f"/console/reviews/{row.id}", _DONE["claim"])

    return [claim, *map(route, ("approve", "edit", "reject"))]


def _act(registry: Registry, row: tables.Review, what: str, form: Form) -> Act:
    """Return what a form asks for; who chooses the label that the model gave approves it."""
    note = form.text("note")
    if what != "edit":
        return partial({"approve": reviews.approve, "reject": reviews.reject}[what], note=note)
    answer, output = form.needed("answer", "the answer"), _output(registry, row)
    if output is not None and output.labels and reviews.fitting(answer, output) == row.answer:
        return partial(reviews.approve, note=note)
    return partial(_edited, text=answer, note=note)


def _edited(database: Database, wanted: str, *, text: str, actor: str, note: str) -> tables.Review:
    return reviews.edit(database, wanted, text, actor=actor, note=note)


async def _theirs(parts: ReviewPages, request: AnyRequest, review_id: str) -> tables.Review:
    """Return a review if its domain is one of the key's. Raises NotFoundError otherwise."""
    return await asyncio.to_thread(reviews.get, parts.registry.database(), review_id, caller_of(request).scope)


def _next_review(database: Database, scope: frozenset[str] | None, actor: str, domain: str) -> str | None:
    """Return the review that waits longest and is nobody else's: of the same domain, else of any of the key's."""
    for within in (domain, None):
        page = reviews.reviews(database, status=OPEN, domain=within, domains=scope, free_for=actor, limit=1)
        for row in page.items:
            return row.id
    return None


def _output(registry: Registry, row: tables.Review) -> Output | None:
    """Return the policy's rules for answers; None where it has none, or where the release is gone."""
    try:
        release = registry.release(ReleaseRef(row.domain, row.adapter, row.number))
    except NotFoundError:
        return None
    return policy_from(release.policy).output


def _labels(output: Output | None) -> Sequence[str]:
    """Return the answers that a person can choose."""
    if output is None or output.labels is None:
        return ()
    return (*output.labels, *filter(None, [output.reject]))


def _label_of(output: Output | None, answer: str | None) -> str | None:
    """Return the label that an answer stands for."""
    for label in _labels(output):
        if output is not None and label_answer(output.field, label) == answer:
            return label
    return None
