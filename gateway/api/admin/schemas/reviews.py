"""Responses about reviews, for reviewers and for the tenant that got the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from postil.gateway.api.admin.schemas.times import stamp, stamp_or_none
from postil.registry.db import tables
from postil.registry.db.tables import utcnow
from postil.registry.reviews.asked import CUT, Turn, conversation, is_whole, last_message
from postil.registry.reviews.export_examples import Decided, conversation_of
from postil.registry.reviews.holders import holder
from postil.registry.reviews.reviews import APPROVED


class Review(msgspec.Struct, kw_only=True):
    """A review for reviewers: the request, the model's answer, and the decision.

    ``conversation`` are the texts of the request's messages in their order, ``asked`` is the user's last one.
    ``holding`` is the text that the client got in place of the answer; null if it got the answer. ``final`` is the
    answer after the decision. ``shortened`` says how large the request was, if only a part of it is stored.
    ``request_id`` is the ``X-Request-Id`` of the request; empty if it is not known.
    """

    id: str
    release: str
    tenant: str
    status: str
    reason: str
    asked: str
    conversation: list[Turn]
    answer: str
    holding: str | None
    final: str | None
    assigned_to: str | None
    decided_by: str | None
    decided: str | None
    note: str
    created: str
    verdicts: list[dict[str, Any]]
    request: dict[str, Any]
    webhook: str | None
    drawn_by: str | None
    probability: float | None
    keep_until: str | None
    shortened: str | None
    request_id: str


class ReviewSummary(msgspec.Struct, kw_only=True):
    """A review in a list: nothing of what was asked, answered or remarked. To read one is recorded."""

    id: str
    release: str
    tenant: str
    status: str
    reason: str
    drawn_by: str | None
    assigned_to: str | None
    decided_by: str | None
    decided: str | None
    created: str
    keep_until: str | None
    webhook: str | None
    request_id: str


class ReviewPage(msgspec.Struct, kw_only=True):
    """Reviews, oldest first unless ``newest_first`` is asked for."""

    data: list[ReviewSummary]
    next: str | None


class PurgedReviews(msgspec.Struct, kw_only=True):
    """How many reviews were deleted, or would be: still open, and decided."""

    open: int
    decided: int
    dry_run: bool


class TenantReview(msgspec.Struct, kw_only=True):
    """A review for its tenant: ``answer`` is the answer given so far, and after a decision the final one.

    The tenant sees neither the model's own answer nor who decided.
    """

    id: str
    model: str
    release: str
    status: str
    answer: str | None
    reason: str
    created: str
    decided: str | None


class Example(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A decided answer as a row of training data, with the keys of its kind alone.

    ``instruction``: ``instruction``, ``input``, ``output`` and, if there are turns before the input, ``history``.
    ``messages``: the whole conversation. ``dpo``: ``prompt``, ``chosen`` (the edit), ``rejected`` (the model's answer).
    ``kto``: ``prompt``, ``completion``, ``label`` (approved or not). All say where they come from: the ``review``, its
    ``decision``, the ``release`` that answered, why the answer was drawn, and how probable that was, where it is known.
    """

    instruction: str | None = None
    input: str | None = None
    output: str | None = None
    history: list[Turn] = []
    messages: list[Turn] = []
    prompt: list[Turn] = []
    chosen: list[Turn] = []
    rejected: list[Turn] = []
    completion: list[Turn] = []
    label: bool | None = None
    origin: str | None = None
    review: str | None = None
    decision: str | None = None
    release: str | None = None
    drawn_by: str | None = None
    probability: float | None = None


class ExamplePage(msgspec.Struct, kw_only=True):
    """Decided answers of an adapter as rows of one kind, oldest decision first; always all of them."""

    data: list[Example]
    next: str | None = None


def show_review(row: tables.Review) -> Review:
    """Convert a review for reviewers."""
    return Review(
        id=row.id,
        release=f"{row.domain}/{row.adapter}@{row.number}",
        tenant=row.tenant,
        status=row.status,
        reason=row.reason,
        asked=last_message(row.request),
        conversation=conversation(row.request),
        answer=row.answer,
        holding=row.holding,
        final=row.final,
        assigned_to=holder(row, utcnow()),
        decided_by=row.decided_by,
        decided=stamp_or_none(row.decided_at),
        note=row.note,
        created=stamp(row.created_at),
        verdicts=row.verdicts,
        request=row.request,
        webhook=_webhook(row),
        drawn_by=row.drawn_by,
        probability=row.probability,
        keep_until=stamp_or_none(row.keep_until),
        shortened=_shortened(row.request),
        request_id=row.request_id,
    )


def show_example(row: Decided, kind: str) -> Example:
    """Convert a decision to a row of a kind."""
    shown = Example(
        origin="review",
        review=row.review,
        decision=row.decision,
        release=row.release,
        drawn_by=row.drawn_by,
        probability=row.probability,
    )
    return msgspec.structs.replace(shown, **_form(row, kind))


def _form(row: Decided, kind: str) -> dict[str, Any]:
    """The keys and values of the row's form."""
    example, asked = row.example, conversation_of(row.example)
    if kind == "messages":
        return {"messages": [*asked, _answered(example.output)]}
    if kind == "dpo":
        return {"prompt": asked, "chosen": [_answered(example.output)], "rejected": [_answered(row.answer)]}
    if kind == "kto":
        return {"prompt": asked, "completion": [_answered(row.answer)], "label": row.decision == APPROVED}
    of_example = {"instruction": example.instruction, "input": example.input, "output": example.output}
    return {**of_example, "history": list(example.history)}


def _answered(text: str) -> Turn:
    return Turn("assistant", text)


def show_summary(row: tables.Review) -> ReviewSummary:
    """Convert a review for a list, whose rows have no texts."""
    return ReviewSummary(
        id=row.id,
        release=f"{row.domain}/{row.adapter}@{row.number}",
        tenant=row.tenant,
        status=row.status,
        reason=row.reason,
        drawn_by=row.drawn_by,
        assigned_to=holder(row, utcnow()),
        decided_by=row.decided_by,
        decided=stamp_or_none(row.decided_at),
        created=stamp(row.created_at),
        keep_until=stamp_or_none(row.keep_until),
        webhook=_webhook(row),
        request_id=row.request_id,
    )


def _shortened(request: Mapping[str, Any]) -> str | None:
    """Return what a reviewer is told of a request that is not stored whole."""
    if CUT not in request:
        return None
    what = "earlier messages or fields are" if is_whole(request) else "the end of the last message is"
    return f"{what} not stored: the request had {request[CUT]['bytes']} bytes"


def _webhook(row: tables.Review) -> str | None:
    """Return the state of the webhook delivery."""
    if row.webhook is None or row.decided_at is None:
        return None
    if row.told is not None:
        return f"told at {stamp(row.told)}"
    return f"tried {row.tries} times" + ("" if row.next_try else ", given up")
