"""The hash chain over events: a row that was edited, deleted or put elsewhere no longer fits its neighbours."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any

from postil.registry.db.tables import Event

GENESIS = "0" * 64


def seal(event: Event) -> Event:
    """Fill in ``hash``; all other columns, ``previous`` included, must be set already."""
    event.hash = digest(event)
    return event


def digest(event: Event) -> str:
    """SHA-256, in hex, over all columns of the row but ``hash``."""
    row = [
        event.sequence,
        event.at.astimezone(UTC).isoformat(),
        event.actor,
        event.action,
        event.subject,
        event.reason,
        event.before,
        event.after,
        event.previous,
    ]
    if event.details != {}:  # Rows from before there were any stay as they were sealed.
        row.append(json.dumps(event.details, sort_keys=True))
    return hashlib.sha256(json.dumps(row).encode()).hexdigest()


def details_of(event: Event) -> Mapping[str, Any]:
    """The details of an event: none if the database holds other JSON in their place, which breaks the chain."""
    return event.details if isinstance(event.details, Mapping) else {}


class Chain:
    """Follows the chain event by event: ``first_break`` is the sequence number at which it no longer holds, or None."""

    def __init__(self) -> None:
        self.events = 0
        self.first_break: int | None = None
        self._previous = GENESIS

    def follow(self, event: Event) -> None:
        """Take the next event; beyond a break, events are counted only."""
        self.events += 1
        if self.first_break is not None:
            return
        if event.sequence != self.events or event.previous != self._previous or digest(event) != event.hash:
            self.first_break = self.events
        self._previous = event.hash


def first_break(events: Iterable[Event]) -> int | None:
    """The sequence number at which the chain (given in order) no longer holds, or None."""
    chain = Chain()
    for event in events:
        chain.follow(event)
    return chain.first_break
