"""Leases: of the gateways that share a database one at a time does a job, and the next continues where it stopped.

A lease is held until it expires; a holder that does not renew it, because it ended or hangs, loses it to the next that
asks. Its position is stored with it: what the holder noted as done is not done again, and nothing after it is skipped.
What a holder did without noting it is done twice.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from postil.registry.db.database import Database
from postil.registry.db.tables import Lease


def acquire(
    database: Database, name: str, holder: str, *, now: datetime, lasts: timedelta, position: int = 0
) -> int | None:
    """Take a free lease, or renew one's own; returns its position, or None while another holds it.

    ``position`` is where the job starts if nobody has begun it.
    """
    with database.read() as session:
        known = session.get(Lease, name)
        if known is not None and not _is_free(known, holder, now):
            return None
    with database.write() as session:
        found = _locked(session, name, now, position)
        if not _is_free(found, holder, now):
            return None
        found.holder, found.expires_at = holder, now + lasts
        session.add(found)
        return found.position


def renew(database: Database, name: str, holder: str, *, now: datetime, lasts: timedelta, position: int) -> bool:
    """Extend a lease and note its job as done up to ``position``; False if another holds it now."""
    with database.write() as session:
        found = session.get(Lease, name, with_for_update=True)
        if found is None or found.holder != holder:
            return False
        found.expires_at, found.position = now + lasts, position
        session.add(found)
        return True


def release(database: Database, name: str, holder: str) -> None:
    """Give a lease back, if it is still one's own."""
    with database.write() as session:
        found = session.get(Lease, name, with_for_update=True)
        if found is not None and found.holder == holder:
            found.holder = None
            session.add(found)


def position(database: Database, name: str) -> int | None:
    """The position up to which the job is done, or None if nobody has begun it."""
    with database.read() as session:
        found = session.get(Lease, name)
        return None if found is None else found.position


def _is_free(lease: Lease, holder: str, now: datetime) -> bool:
    return lease.holder in (None, holder) or lease.expires_at <= now


def _locked(session: Session, name: str, now: datetime, position: int) -> Lease:
    """The lease's row, locked until this transaction ends; inserted if there is none."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    row = dialect.insert(Lease).values(name=name, holder=None, expires_at=now, position=position)
    session.execute(row.on_conflict_do_nothing())
    return session.get_one(Lease, name, with_for_update=True)
