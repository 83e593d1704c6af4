"""The hash chain over events: a row that was edited, deleted or put elsewhere no longer fits its neighbours."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC

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


def first_break(events: Iterable[Event]) -> int | None:
    """The sequence number at which the chain (given in order) no longer holds, or None."""
    previous, expected = GENESIS, 1
    for event in events:
        if event.sequence != expected or event.previous != previous or digest(event) != event.hash:
            return expected
        previous, expected = event.hash, expected + 1
    return None
