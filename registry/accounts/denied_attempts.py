"""Denied attempts as events: who tried what, and how often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from postil.registry.db import queries as store
from postil.registry.db.database import Database

ACTION, SUBJECT = "refused", "admin-api"


@dataclass(frozen=True, slots=True)
class DeniedAttemptRow:
    """One kind of denied attempt, with its count and details."""

    actor: str
    details: Mapping[str, Any]


def record(database: Database, refused: Sequence[DeniedAttemptRow]) -> None:
    """Store the attempts as events in one transaction."""
    with database.write() as session:
        store.lock_for_writing(session)
        for each in refused:
            store.record(session, actor=each.actor, action=ACTION, subject=SUBJECT, reason="", details=each.details)
