"""Deletes what is kept of a tenant that was removed."""

from __future__ import annotations

from sqlalchemy import delete as deletion
from sqlalchemy import func
from sqlmodel import Session, SQLModel, col, select

from postil.registry.accounts.keys import Role
from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.review_deletion import BATCH, PURGE, delete_reviews
from postil.registry.db.safety_tables import DeniedAttempt, Evidence
from postil.registry.db.tables import Key, Review, Spent, Tenant, Usage
from postil.registry.errors import ConflictError
from postil.registry.releases.channels import unpin_everywhere

FORGET = "tenant-forget"


def forget_tenant(
    database: Database, name: str, *, usage: bool = False, actor: str, batch: int = BATCH
) -> dict[str, int]:
    """Delete the reviews, keys, pins and evidence of removed tenants of this name; returns the number of rows.

    Its usage, which is sums of requests and tokens, stays unless ``usage`` says otherwise; the log stays in any case.
    Raises ConflictError if there is a tenant of this name.
    """

    def check(session: Session) -> None:
        if session.get(Tenant, name) is not None:
            raise ConflictError(f"tenant {name} is still there; remove it first with `postil tenants remove {name}`")

    with database.read() as session:
        check(session)
    theirs = col(Review.tenant) == name
    reviews = delete_reviews(
        database, theirs, action=PURGE, actor=actor, details={"tenant": name}, check=check, batch=batch
    )
    with database.write() as session:
        store.lock_for_writing(session)
        check(session)
        counts = {
            "reviews": sum(reviews.values()),
            "keys": _delete(session, Key, (col(Key.owner) == name) & (col(Key.role) == Role.TENANT.value)),
            "pins": unpin_everywhere(session, name, actor=actor),
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
