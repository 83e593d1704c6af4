"""Freeze a domain in an incident: nothing of it is published or moved, other than back, and it is served on.

The steps of its canaries end; each canary keeps its share.
"""

from __future__ import annotations

from sqlmodel import Session

from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.tables import Channel, Domain, utcnow
from postil.registry.errors import ConflictError, NotFoundError
from postil.registry.names import AdapterName
from postil.registry.releases.step_plan import plan_in_force
from postil.registry.text import required

FREEZE, UNFREEZE = "domain-freeze", "domain-unfreeze"
END_STEPS = "canary-steps-end"


def freeze(database: Database, name: str, *, reason: str, actor: str) -> Domain:
    """Freeze a domain. Raises NotFoundError, TextError without a reason, or ConflictError if it is frozen already."""
    required(reason, "reason")
    with database.write() as session:
        store.lock_for_writing(session)
        domain = existing_domain(session, name)
        if domain.frozen_at is not None:
            raise ConflictError(f"{name} is frozen already; see `postil domains list`")
        domain.frozen_at, domain.frozen_by, domain.frozen_reason = utcnow(), actor[:64], reason
        session.add(domain)
        store.record(session, actor=actor, action=FREEZE, subject=name, reason=reason)
        _end_steps(session, name, actor=actor)
        return domain


def unfreeze(database: Database, name: str, *, reason: str, actor: str) -> Domain:
    """Unfreeze a domain. Raises NotFoundError, or ConflictError if it is not frozen."""
    with database.write() as session:
        store.lock_for_writing(session)
        domain = existing_domain(session, name)
        if domain.frozen_at is None:
            raise ConflictError(f"{name} is not frozen; see `postil domains list`")
        domain.frozen_at, domain.frozen_by, domain.frozen_reason = None, None, ""
        session.add(domain)
        store.record(session, actor=actor, action=UNFREEZE, subject=name, reason=reason)
        return domain


def check_not_frozen(session: Session, name: str) -> None:
    """Raise ConflictError if a domain is frozen."""
    domain = session.get(Domain, name)
    if domain is not None and domain.frozen_at is not None:
        raise ConflictError(
            f"{name} is frozen by {domain.frozen_by}: {domain.frozen_reason}; an admin ends that with"
            f" `postil domains unfreeze {name}`"
        )


def existing_domain(session: Session, name: str) -> Domain:
    """A domain. Raises NotFoundError."""
    domain = session.get(Domain, name)
    if domain is None:
        raise NotFoundError(f"there is no domain {name}; see `postil domains list`")
    return domain


def _end_steps(session: Session, domain: str, *, actor: str) -> None:
    """End the steps of a domain's canaries; an event for each adapter says so."""
    for row in store.canary_steps_of(session, domain):
        name = AdapterName(row.domain, row.adapter)
        channels = store.of_adapters(session, Channel, [name])
        plan = plan_in_force(row, {found.name: found for found in channels})
        session.delete(row)
        if plan is not None:
            store.record(
                session,
                actor=actor,
                action=END_STEPS,
                subject=str(name),
                reason=f"{domain} was frozen",
                before=row.number,
                after=row.number,
                details={"weight": plan.weight},
            )
