"""Denied attempts in a bounded table of their own: who tried what, from where, and how often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func
from sqlmodel import Session, col, select

from postil.registry.db.database import Database
from postil.registry.db.paging import DEFAULT_LIMIT, Order, Page, page
from postil.registry.db.safety_tables import DeniedAttempt

# The actor of attempts without a known key.
NOBODY = "nobody"
# Attempts of one kind within this time are added to one row.
_SPAN = timedelta(hours=1)
_NEWEST_FIRST = Order("denied-attempts", [(col(DeniedAttempt.id), int)], downwards=True)


@dataclass(frozen=True, slots=True)
class DeniedAttempts:
    """Attempts of one kind between two times: the actor, its key's id, the address, the route and the status."""

    actor: str
    key: str | None
    address: str
    route: str
    status: int
    first_at: datetime
    last_at: datetime
    count: int


def record(database: Database, denied: Sequence[DeniedAttempts], *, keep: int) -> None:
    """Add attempts (at least one kind) to the table, which keeps ``keep`` rows: half strangers', half known keys'.

    The oldest rows are dropped, of known keys those of the owners who have most. So neither strangers, who can be any
    number, nor one owner displace the rows of another.
    """
    with database.write() as session:
        open_rows = _open_rows(session, denied)
        for each in denied:
            row = open_rows.get(_kind(each))
            if row is None or row.first_at < each.last_at - _SPAN:
                session.add(_row(each))
                continue
            row.last_at = max(row.last_at, each.last_at)
            row.count += each.count
        session.flush()
        _drop_oldest(session, NOBODY, keep // 2)
        _drop_most(session, keep // 2)


def list_attempts(database: Database, *, after: str | None = None, limit: int = DEFAULT_LIMIT) -> Page[DeniedAttempt]:
    """List denied attempts, newest first. Raises PagingError."""
    with database.read() as session:
        return page(session, select(DeniedAttempt), _NEWEST_FIRST, after, limit)


def _open_rows(session: Session, denied: Sequence[DeniedAttempts]) -> dict[tuple[str, ...], DeniedAttempt]:
    """Return the newest row of each kind that is among the last ones; other gateways wait until this one has added."""
    oldest = min(each.last_at for each in denied) - _SPAN
    query = (
        select(DeniedAttempt)
        .where(col(DeniedAttempt.address).in_({each.address for each in denied}), col(DeniedAttempt.last_at) >= oldest)
        .order_by(col(DeniedAttempt.id))
        .with_for_update()
    )
    return {_kind_of(row): row for row in session.exec(query)}


def _kind(each: DeniedAttempts) -> tuple[str, ...]:
    return (each.actor, each.key or "", each.address, each.route, str(each.status))


def _kind_of(row: DeniedAttempt) -> tuple[str, ...]:
    return (row.actor, row.details["key"] or "", row.address, row.route, str(row.status))


def _row(each: DeniedAttempts) -> DeniedAttempt:
    return DeniedAttempt(
        first_at=each.first_at,
        last_at=each.last_at,
        actor=each.actor,
        address=each.address,
        route=each.route,
        status=each.status,
        count=each.count,
        details={"key": each.key},
    )


def _drop_most(session: Session, keep: int) -> None:
    """Drop rows of the owners who have most, until ``keep`` rows of known keys are left."""
    # Of owners who have as many, whoever was noted longest ago comes first, and gets the smaller share.
    counted = (
        select(DeniedAttempt.actor, func.count().label("rows"))
        .where(col(DeniedAttempt.actor) != NOBODY)
        .group_by(col(DeniedAttempt.actor))
        .order_by("rows", func.max(DeniedAttempt.id))
    )
    left, owners = keep, list(session.exec(counted))
    for number, (actor, count) in enumerate(owners):
        share = left // (len(owners) - number)
        if count > share:
            _drop_oldest(session, actor, share)
        left -= min(count, share)


def _drop_oldest(session: Session, actor: str, keep: int) -> None:
    theirs = col(DeniedAttempt.actor) == actor
    newest = select(col(DeniedAttempt.id)).where(theirs).order_by(col(DeniedAttempt.id).desc())
    first_gone = session.exec(newest.offset(keep).limit(1)).one_or_none()
    if first_gone is not None:
        session.execute(delete(DeniedAttempt).where(theirs, col(DeniedAttempt.id) <= first_gone))
