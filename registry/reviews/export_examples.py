"""Exports decided reviews as labelled examples in the format that ``postil train`` reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import col, select

from postil.registry.db.database import Database
from postil.registry.db.tables import Review
from postil.registry.names import AdapterName
from postil.registry.policy.policy import policy_from
from postil.registry.releases.service import Registry
from postil.registry.reviews.asked import USER, Turn, conversation, is_complete
from postil.registry.reviews.reviews import APPROVED, EDITED

# Whose messages at the start are instructions; the gateway puts them behind the policy's own.
_INSTRUCTIONS = ("system", "developer")
_ROLES = (*_INSTRUCTIONS, "user", "assistant")


@dataclass(frozen=True, slots=True)
class LabelledExample:
    """What the model saw and the right answer; ``history`` are the turns before ``input``, the user's last message."""

    instruction: str
    input: str
    output: str
    history: Sequence[Turn] = ()


def examples(registry: Registry, name: AdapterName, since: datetime | None = None) -> list[LabelledExample]:
    """Return one example per approved or edited conversation; the last decision on a conversation counts.

    Rejected answers have no right answer and are left out, as are conversations that were too long to be stored whole,
    that do not end with a message of the user, or in which tools were called. Raises NotFoundError if there is no such
    adapter.
    """
    prompts = {
        release.number: policy_from(release.policy).system_prompt or "" for release in registry.state(name).releases
    }
    found: dict[Sequence[tuple[str, str]], LabelledExample] = {}
    for review in _decided(registry.database, name, since):
        turns = _usable(review.request)
        if turns and review.final:
            found[_key(turns)] = _example(prompts.get(review.number, ""), turns, review.final)
    return list(found.values())


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


def _decided(database: Database, name: AdapterName, since: datetime | None) -> Iterable[Review]:
    query = (
        select(Review)
        .where(Review.domain == name.domain, Review.adapter == name.adapter)
        .where(col(Review.status).in_((APPROVED, EDITED)))
        .order_by(col(Review.decided_at), col(Review.id))
    )
    if since is not None:
        query = query.where(col(Review.decided_at) >= since)
    with database.read() as session:
        return session.exec(query).all()
