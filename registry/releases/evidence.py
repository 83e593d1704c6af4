"""What the requests of each tenant have shown of each release: sums that are added in batches, each exactly once.

A row goes when its release is collected, when its tenant is removed, or when nothing was added for ``KEPT``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import case, delete, func
from sqlalchemy import select as columns
from sqlmodel import Session, col, select

from postil.plugins import ReleaseRef
from postil.registry.db import queries as store
from postil.registry.db.batches import add_counts, is_new
from postil.registry.db.database import Database
from postil.registry.db.paging import DEFAULT_LIMIT, Order, Page, page
from postil.registry.db.safety_tables import Evidence
from postil.registry.db.tables import utcnow
from postil.registry.names import AdapterName
from postil.registry.releases.channels import existing_release

SIGNALS = VALIDATOR_FAILURE, ENGINE_ERROR, FALLBACK = "validator_failure", "engine_error", "fallback"
KEPT = timedelta(days=90)
# Number of batches between two cleanups of rows that are too old.
_TIDY_EVERY = 1000
_BY_TENANT = Order("evidence", [(col(Evidence.tenant), str), (col(Evidence.signal), str)])


class Subject(NamedTuple):
    """The key of a sum: whose requests to which release, and what was looked at."""

    domain: str
    adapter: str
    number: int
    tenant: str
    signal: str


class Shown(NamedTuple):
    """``bad`` of ``seen`` requests showed the signal."""

    seen: int = 0
    bad: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """The sums of one writer since its last batch. Equal numbers of a writer mean the same batch."""

    writer: str
    number: int
    shown: Mapping[Subject, Shown] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SignalSum:
    """A signal of a release: ``bad`` of ``seen`` requests of all tenants, and how many tenants have seen it."""

    signal: str
    seen: int
    bad: int
    tenants: int
    tenants_affected: int


def add(database: Database, batch: Batch) -> None:
    """Add a batch unless it was added before: after a lost connection a writer sends its batch again.

    What it has of tenants that were removed meanwhile is dropped, as what was stored of them is.
    """
    with database.write() as session:
        if not is_new(session, batch.writer, batch.number):
            return
        now = {"updated_at": utcnow()}
        there = store.hold_tenants(session, {subject.tenant for subject in batch.shown})
        for subject, shown in sorted(batch.shown.items()):  # The same order everywhere prevents deadlocks.
            if subject.tenant not in there:
                continue
            add_counts(session, Evidence, subject._asdict(), shown._asdict(), now)
        if batch.number % _TIDY_EVERY == 1:
            session.execute(delete(Evidence).where(col(Evidence.updated_at) < utcnow() - KEPT))


def of_release(database: Database, ref: ReleaseRef) -> Sequence[SignalSum]:
    """Return what all tenants have shown of a release, without their names. Raises NotFoundError."""
    affected = func.sum(case((col(Evidence.bad) > 0, 1), else_=0))
    with database.read() as session:
        existing_release(session, ref)
        sums = [func.sum(col(Evidence.seen)), func.sum(col(Evidence.bad)), func.count(), affected]
        rows = session.connection().execute(
            columns(col(Evidence.signal), *sums).where(*_of(ref)).group_by(col(Evidence.signal))
        )
        found = {row[0]: SignalSum(row[0], *map(int, row[1:])) for row in rows}
    return [found.get(signal, SignalSum(signal, 0, 0, 0, 0)) for signal in SIGNALS]


def by_tenant(
    database: Database, ref: ReleaseRef, *, after: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[Evidence]:
    """List what each tenant has shown of a release. Raises NotFoundError or PagingError."""
    with database.read() as session:
        existing_release(session, ref)
        found: Page[Evidence] = page(session, select(Evidence).where(*_of(ref)), _BY_TENANT, after, limit)
        return found


def users(database: Database, since: datetime) -> Mapping[str, set[str]]:
    """Return the tenants that have asked each adapter since then, at any gateway; of each adapter two at most."""
    key = (col(Evidence.domain), col(Evidence.adapter))
    recent = columns(*key, func.min(col(Evidence.tenant)), func.max(col(Evidence.tenant)))
    found = defaultdict[str, set[str]](set)
    with database.read() as session:
        for domain, adapter, *tenants in session.connection().execute(
            recent.where(col(Evidence.updated_at) >= since).group_by(*key)
        ):
            found[str(AdapterName(domain, adapter))].update(tenants)
    return found


def forget_release(session: Session, ref: ReleaseRef) -> None:
    """Delete the sums of a release that is collected."""
    session.execute(delete(Evidence).where(*_of(ref)))


def forget_tenant(session: Session, tenant: str) -> None:
    """Delete the sums of a tenant that is removed."""
    session.execute(delete(Evidence).where(col(Evidence.tenant) == tenant))


def _of(ref: ReleaseRef) -> list[Any]:
    return [
        col(Evidence.domain) == ref.domain,
        col(Evidence.adapter) == ref.adapter,
        col(Evidence.number) == ref.number,
    ]
