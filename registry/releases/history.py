"""Reads the log: what was done, and which release was live when."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, func, or_
from sqlmodel import Session, col, select

from postil.plugins import ReleaseRef
from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.paging import DEFAULT_LIMIT, Order, Page, page
from postil.registry.db.tables import Event, utcnow
from postil.registry.errors import ConflictError, TextError
from postil.registry.names import AdapterName
from postil.registry.releases.freeze import FREEZE, UNFREEZE
from postil.registry.releases.sources import SOURCES
from postil.registry.signing.requirements import REQUIRE

MOVES = ("promote", "rollback")
# The files of a release were deleted; they are there again.
COLLECT, RESTORE = "collect", "restore"
# A release (with its number), or an adapter whole (without one), was taken out of service; it is in service again.
RETIRE, UNRETIRE = "retire", "unretire"
SET_QUOTAS = "domain-quotas"
# Events whose subject is a domain.
OF_DOMAINS = frozenset({REQUIRE, FREEZE, UNFREEZE, SOURCES, SET_QUOTAS})

_EVENTS = [(col(Event.sequence), int)]
_LIVE = Order("live", [(col(Event.subject), str)])


@dataclass(frozen=True, slots=True)
class LiveRelease:
    """The number of an adapter's live release."""

    adapter: str
    number: int


@dataclass(frozen=True, slots=True)
class Retired:
    """What is retired of one adapter: itself as a whole, or releases by number."""

    adapter: bool = False
    releases: frozenset[int] = frozenset()


IN_SERVICE = Retired()


def log(database: Database, name: AdapterName | None = None) -> Sequence[Event]:
    """The events in order: all, or those of one adapter."""
    with database.read() as session:
        return store.events(session, None if name is None else str(name))


def events(
    database: Database,
    *,
    name: AdapterName | None = None,
    domains: Collection[str] | None = None,
    actions: Collection[str] | None = None,
    newest_first: bool = False,
    after: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Event]:
    """The log in order: all of it, one adapter's, what is about some domains, or some actions. Raises PagingError."""
    query = select(Event)
    if name is not None:
        query = query.where(Event.subject == str(name))
    if domains is not None:
        query = query.where(_about(domains))
    if actions is not None:
        query = query.where(col(Event.action).in_(actions))
    with database.read() as session:
        return page(session, query, Order("events", _EVENTS, newest_first), after, limit)


def _about(domains: Collection[str]) -> ColumnElement[bool]:
    """The condition that an event is about these domains or an adapter of theirs.

    Tenants may be called like domains: of the subjects without an adapter, only those of some actions are domains.
    """
    subject = col(Event.subject)
    adapters = (func.substr(subject, 1, len(domain) + 1) == f"{domain}/" for domain in domains)
    return or_(col(Event.action).in_(OF_DOMAINS) & subject.in_(domains), *adapters)


def live_at(
    database: Database,
    at: datetime,
    *,
    domains: Collection[str] | None = None,
    after: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[LiveRelease]:
    """The live release of every adapter at an instant, by name. Raises PagingError.

    If a clock was ahead, a later event may bear an earlier time: everything up to the last event with an earlier time
    counts as done by then.
    """
    with database.read() as session:
        happened = select(func.max(Event.sequence))
        last = session.exec(happened if utcnow() <= at else happened.where(col(Event.at) <= at)).one() or 0
        moved = select(func.max(Event.sequence)).where(col(Event.action).in_(MOVES), col(Event.sequence) <= last)
        if domains is not None:
            moved = moved.where(_about(domains))
        query = select(Event).where(col(Event.sequence).in_(moved.group_by(col(Event.subject))))
        query = query.where(col(Event.after).is_not(None))  # Where the live one was yanked, none may be live.
        found: Page[Event] = page(session, query, _LIVE, after, limit)
    return found.map(lambda event: LiveRelease(event.subject, event.after or 0))


def live_history(events: Iterable[Event | store.Move]) -> list[int]:
    """The releases that led to the live one, oldest first: a promote adds to it, a rollback goes back along it.

    A rollback to a release that another way led to goes back to that way, as it was when that release was live last.
    """
    return [number for number, _ in _way(events)]


def check_went_before(session: Session, ref: ReleaseRef) -> None:
    """Check that a release was live before the one that is live was promoted. Raises ConflictError."""
    moves = store.moves(session, MOVES, [AdapterName(ref.domain, ref.adapter)])
    way = _way(moves)
    before = moves[: way[-1][1]] if way else ()
    if any(move.after == ref.number for move in before):
        return
    if any(move.after == ref.number for move in moves):
        raise ConflictError(f"{ref} went live only after the release that is live now; promote it instead")
    raise ConflictError(f"{ref} was never live, so that nothing goes back to it; promote it instead")


def _way(events: Iterable[Event | store.Move]) -> list[tuple[int, int]]:
    """As ``live_history``, each with the place of the event that promoted it."""
    way: list[tuple[int, int]] = []
    ways: dict[int, list[tuple[int, int]]] = {}
    for place, event in enumerate(events):
        if event.action not in MOVES or event.after is None:
            continue
        known = [at for at, (number, _) in enumerate(way, 1) if number == event.after]
        if event.action == "rollback" and (known or event.after in ways):
            way = way[: known[-1]] if known else ways[event.after]
        else:
            way = [*way, (event.after, place)]
        ways[event.after] = way
    return way


def collected(session: Session, name: AdapterName) -> set[int]:
    """The releases of an adapter, by number, whose files were collected and have not been published again."""
    return collected_by(store.moves(session, (COLLECT, RESTORE), [name]))


def collected_by(moves: Iterable[store.Move]) -> set[int]:
    """As ``collected``, from an adapter's moves in order."""
    gone = set[int]()
    for move in moves:
        if move.action == COLLECT and move.before is not None:
            gone.add(move.before)
        elif move.action == RESTORE and move.after is not None:
            gone.discard(move.after)
    return gone


def retired(session: Session, name: AdapterName) -> Retired:
    """What of an adapter was retired and has not been restored."""
    return retired_by(store.moves(session, (RETIRE, UNRETIRE), [name]))


def retired_by(moves: Iterable[store.Move]) -> Retired:
    """As ``retired``, from an adapter's moves in order."""
    whole, numbers = False, set[int]()
    for move in moves:
        if move.action not in (RETIRE, UNRETIRE):
            continue
        number = move.before if move.action == RETIRE else move.after
        if number is None:
            whole = move.action == RETIRE
        elif move.action == RETIRE:
            numbers.add(number)
        else:
            numbers.discard(number)
    return Retired(whole, frozenset(numbers))


def rollback_number(history: Sequence[int], out_of_service: Set[int]) -> int | None:
    """The release that a rollback goes to: the last one live before, without retired ones."""
    before = [number for number in history[:-1] if number not in out_of_service and number != history[-1]]
    return before[-1] if before else None


def parse_instant(text: str) -> datetime:
    """Read ``2026-11-01``, ``2026-11-01T12:00`` or with a zone; without one it is UTC. Raises TextError."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise TextError(f"{text[:50]!r} is not a time; write one such as 2026-11-01T12:00") from error
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at
