"""What the log tells: which release was live when, and whether anybody has touched the rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlmodel import Session

from postil.registry.db import audit_chain as audit
from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.tables import Event, utcnow
from postil.registry.errors import TextError
from postil.registry.names import AdapterName

MOVES = ("promote", "rollback")
# The files of a release were deleted; they are there again.
COLLECT, RESTORE = "collect", "restore"
# A release (with its number), or an adapter whole (without one), was taken out of service; it is in service again.
RETIRE, UNRETIRE = "retire", "unretire"


@dataclass(frozen=True, slots=True)
class AuditReport:
    """How many events there are, and the sequence number at which the chain no longer holds, or None."""

    events: int
    first_break: int | None


@dataclass(frozen=True, slots=True)
class Retired:
    """What of one adapter is out of service: itself as a whole, and releases by number."""

    adapter: bool = False
    releases: frozenset[int] = frozenset()


IN_SERVICE = Retired()


def log(database: Database, name: AdapterName | None = None) -> Sequence[Event]:
    """The events in order: all, or those of one adapter."""
    with database.transaction() as session:
        return store.events(session, None if name is None else str(name))


def verify(database: Database) -> AuditReport:
    """Go along the chain. A cut at its very end is not seen: there is nothing after it that it would contradict."""
    events = log(database)
    return AuditReport(len(events), audit.first_break(events))


def live_at(events: Iterable[Event], at: datetime) -> dict[str, int]:
    """The live release's number of every adapter at an instant: ``{"healthcare/triage": 2}``."""
    live: dict[str, int] = {}
    for event, happened in _in_time(list(events)):
        if happened <= at and event.action in MOVES and event.after is not None:
            live[event.subject] = event.after
    return live


def _in_time(events: Sequence[Event]) -> Iterable[tuple[Event, datetime]]:
    """Each event with a time by which it had happened: where a clock was ahead, what came after it was earlier."""
    latest, found = utcnow(), []
    for event in reversed(events):
        latest = min(latest, event.at)
        found.append((event, latest))
    return reversed(found)


def live_history(events: Iterable[Event]) -> list[int]:
    """The releases that led to the live one, oldest first: a promote adds to it, a rollback goes back along it."""
    history: list[int] = []
    for event in events:
        if event.action not in MOVES or event.after is None:
            continue
        if event.action == "rollback" and event.after in history:
            del history[len(history) - history[::-1].index(event.after) :]
        else:
            history.append(event.after)
    return history


def collected(session: Session, name: AdapterName) -> set[int]:
    """The releases of an adapter, by number, whose files were collected and have not been published again."""
    gone = set[int]()
    for event in store.events(session, str(name), (COLLECT, RESTORE)):
        if event.action == COLLECT and event.before is not None:
            gone.add(event.before)
        elif event.action == RESTORE and event.after is not None:
            gone.discard(event.after)
    return gone


def retired(session: Session, name: AdapterName) -> Retired:
    """What of an adapter was retired and has not been restored."""
    whole, numbers = False, set[int]()
    for event in store.events(session, str(name), (RETIRE, UNRETIRE)):
        number = event.before if event.action == RETIRE else event.after
        if number is None:
            whole = event.action == RETIRE
        elif event.action == RETIRE:
            numbers.add(number)
        else:
            numbers.discard(number)
    return Retired(whole, frozenset(numbers))


def rollback_number(history: Sequence[int], out_of_service: Set[int]) -> int | None:
    """Where a rollback goes: the last release that was live before the one that is, without those retired."""
    before = [number for number in history[:-1] if number not in out_of_service and number != history[-1]]
    return before[-1] if before else None


def parse_instant(text: str) -> datetime:
    """Read ``2026-11-01``, ``2026-11-01T12:00`` or with a zone; without one it is UTC. Raises TextError."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise TextError(f"{text[:50]!r} is not a time; write one such as 2026-11-01T12:00") from error
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at
