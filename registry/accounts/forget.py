"""Deletes what is kept of a tenant that was removed."""

from __future__ import annotations

from sqlalchemy import delete as deletion
from sqlalchemy import func
from sqlmodel import Session, SQLModel, col, select

from postil.registry.accounts.keys import Role
from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.safety_tables import DeniedAttempt, Evidence
from postil.registry.db.tables import Key, Pin, Review, Spent, Tenant, Usage
from postil.registry.errors import ConflictError

FORGET = "tenant-forget"


def forget_tenant(database: Database, name: str, *, usage: bool = False, actor: str) -> dict[str, int]:
    """Delete the reviews, keys, pins and evidence of removed tenants of this name; returns the number of rows.

    Its usage, which is sums of requests and tokens, stays unless ``usage`` says otherwise; the log stays in any case.
    Raises ConflictError if there is a tenant of this name.
    """
    with database.write() as session:
        store.lock_for_writing(session)
        if session.get(Tenant, name) is not None:
            raise ConflictError(f"tenant {name} is still there; remove it first with `postil tenants remove {name}`")
        counts = {
            "reviews": _delete(session, Review, col(Review.tenant) == name),
            "keys": _delete(session, Key, (col(Key.owner) == name) & (col(Key.role) == Role.TENANT.value)),
            "pins": _delete(session, Pin, col(Pin.tenant) == name),
            "evidence": _delete(session, Evidence, col(Evidence.tenant) == name),
            "denied_attempts": _delete(session, DeniedAttempt, col(DeniedAttempt.actor) == name),
            "usage": _delete(session, Usage, col(Usage.tenant) == name) if usage else 0,
        }
        session.execute(deletion(Spent).where(col(Spent.tenant) == name))
        store.record(session, actor=actor, action=FORGET, subject=name, reason="", details=counts)
    database.scrub()
    return counts


def _delete(session: Session, table: type[SQLModel], which: object) -> int:
    count: int = session.exec(select(func.count()).select_from(table).where(which)).one()  # type: ignore[arg-type]
    session.execute(deletion(table).where(which))  # type: ignore[arg-type]
    return count
