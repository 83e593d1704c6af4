"""Exports decided reviews as training data: labelled examples, conversations, pairs for DPO, labels for KTO."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import col, select

from postil.registry.db.database import Database
from postil.registry.db.tables import Review
from postil.registry.errors import TextError
from postil.registry.names import AdapterName
from postil.registry.policy.policy import policy_from
from postil.registry.releases.service import Registry
from postil.registry.reviews.asked import USER, Turn, conversation, is_complete
from postil.registry.reviews.reviews import APPROVED, EDITED, REJECTED

# Whose messages at the start are instructions; the gateway puts them behind the policy's own.
_INSTRUCTIONS = ("system", "developer")
# What can be exported, and the decisions that make a row of each.
KINDS: Mapping[str, Sequence[str]] = {
    "instruction": (APPROVED, EDITED),
    "messages": (APPROVED, EDITED),
    "dpo": (EDITED,),
    "kto": (APPROVED, REJECTED),
}
_ROLES = (*_INSTRUCTIONS, "user", "assistant")


@dataclass(frozen=True, slots=True)
class LabelledExample:
    """What the model saw and the right answer; ``history`` are the turns before ``input``, the user's last message."""

    instruction: str
    input: str
    output: str
    history: Sequence[Turn] = ()


@dataclass(frozen=True, slots=True)
class Decided:
    """What a person decided of an answer, and why that answer was looked at.

    The ``example`` has the answer that stands: the model's own where nobody gave another. ``drawn_by`` says why it was
    drawn (``audit``, ``low_confidence``, ``check``), ``probability`` how probable that was, where it is known, and
    ``review`` is the review's id.
    """

    example: LabelledExample
    answer: str
    decision: str
    release: str
    drawn_by: str | None
    probability: float | None
    review: str


def examples(registry: Registry, name: AdapterName, since: datetime | None = None) -> list[LabelledExample]:
    """Return one example per approved or edited conversation; the last decision on a conversation counts.

    Rejected answers have no right answer and are left out, as are conversations that were too long to be stored whole,
    that do not end with a message of the user, or in which tools were called. Raises NotFoundError if there is no such
    adapter.
    """
    return [row.example for row in decided(registry, name, "instruction", since)]


def decided(registry: Registry, name: AdapterName, kind: str, since: datetime | None = None) -> list[Decided]:
    """Return the decisions that make a row of a ``kind``, oldest conversation first, the last decision on each.

    ``instruction`` and ``messages`` take approved and edited answers, ``dpo`` those whose edit differs from the
    model's answer, ``kto`` approved and rejected ones, each answer to a conversation for itself. Raises NotFoundError,
    or TextError for another kind.
    """
    if kind not in KINDS:
        raise TextError(f"there is no kind {kind[:20]!r}; there are {', '.join(KINDS)}")
    prompts = {
        release.number: policy_from(release.policy).system_prompt or "" for release in registry.state(name).releases
    }
    found: dict[Sequence[tuple[str, str]], Decided] = {}
    for review in _reviews(registry.database, name, KINDS[kind], since):
        turns = _usable(review.request)
        answer = review.answer if review.status == REJECTED else review.final
        if not turns or not answer or (kind == "dpo" and answer == review.answer):
            continue
        own = (("answer", review.answer),) if kind == "kto" else ()
        found[(*_key(turns), *own)] = _decided(review, _example(prompts.get(review.number, ""), turns, answer))
    return list(found.values())


def conversation_of(example: LabelledExample) -> list[Turn]:
    """What the model saw, as a conversation."""
    system = [Turn("system", example.instruction)] if example.instruction else []
    return [*system, *example.history, Turn(USER, example.input)]


def _decided(review: Review, example: LabelledExample) -> Decided:
    release = f"{review.domain}/{review.adapter}@{review.number}"
    return Decided(example, review.answer, review.status, release, review.drawn_by, review.probability, review.id)


def _usable(request: Mapping[str, Any]) -> Sequence[Turn]:
    turns = conversation(request)
    known = all(turn.role in _ROLES for turn in turns) and not any(map(_calls, request.get("messages") or ()))
    usable = turns and turns[-1].role == USER and turns[-1].content and known and is_complete(request)
    return turns if usable else ()


def _calls(message: object) -> bool:
    return isinstance(message, dict) and bool(message.get("tool_calls"))


def _key(turns: Sequence[Turn]) -> Sequence[tuple[str, str]]:
    """All that the client sent, without case and spacing."""
    return tuple((turn.role, " ".join(turn.content.casefold().split())) for turn in turns)


def _example(prompt: str, turns: Sequence[Turn], answer: str) -> LabelledExample:
    own = next(place for place, turn in enumerate(turns) if turn.role not in _INSTRUCTIONS)
    instruction = "\n\n".join(filter(None, [prompt, *(turn.content for turn in turns[:own])]))
    history = tuple(Turn("system" if turn.role in _INSTRUCTIONS else turn.role, turn.content) for turn in turns[own:-1])
    return LabelledExample(instruction, turns[-1].content, answer, history)


def _reviews(
    database: Database, name: AdapterName, statuses: Sequence[str], since: datetime | None
) -> Iterable[Review]:
    query = (
        select(Review)
        .where(Review.domain == name.domain, Review.adapter == name.adapter)
        .where(col(Review.status).in_(statuses))
        .order_by(col(Review.decided_at), col(Review.id))
    )
    if since is not None:
        query = query.where(col(Review.decided_at) >= since)
    with database.read() as session:
        return session.exec(query).all()
