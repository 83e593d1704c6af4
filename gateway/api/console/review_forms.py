"""The forms of a review: they claim it, decide on it, and undo a decision."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from litestar import Response, post
from litestar.params import FromPath

from postil.gateway.api.admin.params import AnyRequest, caller_of
from postil.gateway.api.console.forms import Form, read_form
from postil.gateway.api.console.notices import go_to_and_say
from postil.gateway.api.console.person import person
from postil.gateway.api.console.reviews import ReviewPages, output_of
from postil.gateway.api.console.sessions import Session
from postil.gateway.tenancy.permissions import Permission
from postil.registry.db import tables
from postil.registry.db.database import Database
from postil.registry.db.tables import utcnow
from postil.registry.releases.service import Registry
from postil.registry.reviews import claims, reviews
from postil.registry.reviews.bounds import OPEN
from postil.registry.reviews.holders import check_not_claimed

Act = Callable[..., tables.Review]
_DONE = {
    "approve": "Approved. This is the next one.",
    "edit": "Corrected. This is the next one.",
    "reject": "Rejected. This is the next one.",
}
_CLAIMED = "The review is yours."
_NONE_LEFT = "Decided. No other review waits for you."
_UNDONE = "Undone: it is open again, and has no label. What its client was told of it stays as it is."


def review_form_routes(parts: ReviewPages) -> list[Any]:
    """Return the routes that the forms are sent to."""
    return [_claim_route(parts), _undo_route(parts), *(_deciding_route(parts, what) for what in _DONE)]


def _claim_route(parts: ReviewPages) -> Any:
    @post("/reviews/{review_id:str}/claim", status_code=200, may=Permission.REVIEW)
    async def claimed(request: AnyRequest, review_id: FromPath[str]) -> Response[bytes]:
        await read_form(request, ())
        row, actor = await parts.theirs(request, review_id), person(request)
        check_not_claimed(row, actor, utcnow())
        await asyncio.to_thread(partial(reviews.assign, parts.registry.database(), row.id, actor, actor=actor))
        return go_to_and_say(request, f"/console/reviews/{row.id}", _CLAIMED)

    return claimed


def _deciding_route(parts: ReviewPages, what: str) -> Any:
    @post(f"/reviews/{{review_id:str}}/{what}", status_code=200, may=Permission.REVIEW)
    async def decided(request: AnyRequest, review_id: FromPath[str]) -> Response[bytes]:
        form = await read_form(request, ("note", "answer"))
        row, actor = await parts.theirs(request, review_id), person(request)
        act = await asyncio.to_thread(_act, parts.registry.get(), row, what, form)
        database = parts.registry.database()
        await asyncio.to_thread(partial(act, database, row.id, actor=actor))
        parts.reviewing.notify_decided(row.id)
        _session(request).decided = row.id
        following = await asyncio.to_thread(_next_review, database, caller_of(request).scope, actor, row.domain)
        if following is None:
            return go_to_and_say(request, "/console/reviews", _NONE_LEFT)
        return go_to_and_say(request, f"/console/reviews/{following}", _DONE[what])

    return decided


def _undo_route(parts: ReviewPages) -> Any:
    @post("/reviews/{review_id:str}/undo", status_code=200, may=Permission.REVIEW)
    async def undone(request: AnyRequest, review_id: FromPath[str]) -> Response[bytes]:
        await read_form(request, ())
        row, actor = await parts.theirs(request, review_id), person(request)
        undo = partial(claims.undo, parts.registry.database(), row.id, actor=actor, now=utcnow())
        _session(request).decided = ""
        await asyncio.to_thread(undo)
        return go_to_and_say(request, f"/console/reviews/{row.id}", _UNDONE)

    return undone


def _act(registry: Registry, row: tables.Review, what: str, form: Form) -> Act:
    """Return what a form asks for; who chooses the label that the model gave approves it."""
    note = form.text("note")
    if what != "edit":
        return partial({"approve": reviews.approve, "reject": reviews.reject}[what], note=note)
    answer, output = form.needed("answer", "the answer"), output_of(registry, row)
    if output is not None and output.labels and reviews.fitting(answer, output) == row.answer:
        return partial(reviews.approve, note=note)
    return partial(_edited, text=answer, note=note)


def _edited(database: Database, wanted: str, *, text: str, actor: str, note: str) -> tables.Review:
    return reviews.edit(database, wanted, text, actor=actor, note=note)


def _next_review(database: Database, scope: frozenset[str] | None, actor: str, domain: str) -> str | None:
    """Return the review that waits longest and is nobody else's: of the same domain, else of any of the key's."""
    for within in (domain, None):
        page = reviews.reviews(database, status=OPEN, domain=within, domains=scope, free_for=actor, limit=1)
        for row in page.items:
            return row.id
    return None


def _session(request: AnyRequest) -> Session:
    return cast("Session", request.scope["session"])
