"""Exports decided reviews as labelled examples in the format that ``postil train`` reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlmodel import col, select

from postil.registry.db.database import Database
from postil.registry.db.tables import Review
from postil.registry.names import AdapterName
from postil.registry.policy.policy import policy_from
from postil.registry.releases.service import Registry
from postil.registry.reviews.reviews import APPROVED, EDITED


def examples(registry: Registry, name: AdapterName, since: datetime | None = None) -> list[dict[str, str]]:
    """Return one ``{"instruction", "input", "output"}`` per approved or edited message; the last decision counts.

    Rejected answers have no right answer and are left out. Raises NotFoundError if there is no such adapter.
    """
    instructions = {
        release.number: policy_from(release.policy).system_prompt or "" for release in registry.state(name).releases
    }
    found: dict[str, dict[str, str]] = {}
    for review in _decided(registry.database, name, since):
        message = last_message(review.request)
        if message and review.final:
            row = {"instruction": instructions.get(review.number, ""), "input": message, "output": review.final}
            found[" ".join(message.casefold().split())] = row
    return list(found.values())


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


def last_message(request: Mapping[str, Any]) -> str:
    """Return the user's last message, or the prompt."""
    messages = request.get("messages")
    if not isinstance(messages, list):
        prompt = request.get("prompt")
        return prompt if isinstance(prompt, str) else ""
    asked = [
        text
        for message in messages
        if isinstance(message, dict) and message.get("role") == "user"
        for text in _texts(message.get("content"))
    ]
    return asked[-1] if asked else ""


def _texts(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
        yield " ".join(part for part in parts if isinstance(part, str))
