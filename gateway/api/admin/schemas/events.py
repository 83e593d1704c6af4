"""Responses about the event log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from postil.gateway.api.admin.schemas.times import stamp
from postil.gateway.tenancy.directory import Caller
from postil.gateway.tenancy.permissions import Permission
from postil.registry.db import tables
from postil.registry.db.audit_chain import details_of
from postil.registry.releases.history import OF_DOMAINS

_TENANT = "tenant"
# Current names of counts that old events store under former names; stored events are never changed.
_OLD_COUNTS = {
    "new_failures": "candidate_failures",
    "new_total": "candidate_total",
    "old_failures": "baseline_failures",
    "old_total": "baseline_total",
}


class Event(msgspec.Struct, kw_only=True):
    """An event: who did what to which adapter, from which release to which, and why.

    ``action`` is the stored word; ``details`` depend on it. Fields that the key may not see are left out.
    """

    sequence: int
    at: str
    actor: str
    action: str
    subject: str
    reason: str
    from_: int | None = msgspec.field(name="from")
    to: int | None
    details: dict[str, Any]


class EventPage(msgspec.Struct, kw_only=True):
    """Events in the requested order: oldest or newest first."""

    data: list[Event]
    next: str | None


class AuditHead(msgspec.Struct, kw_only=True):
    """The end of the log: its last event's sequence number and hash; keep it where the database's writers cannot."""

    sequence: int
    hash: str


class AuditReport(msgspec.Struct, kw_only=True):
    """The number of events, and the first sequence number at which the hash chain is broken, or null.

    ``differences`` names what the tables hold and the log does not say, or the other way round (the first 1,000).
    ``has_head`` says whether the log has the head that was asked for; null if none was.
    """

    events: int
    first_break: int | None
    differences: list[str]
    has_head: bool | None


class LiveRelease(msgspec.Struct, kw_only=True):
    """The live release of an adapter."""

    adapter: str
    release: str
    number: int


class LivePage(msgspec.Struct, kw_only=True):
    """The releases that were live at a given time, by adapter."""

    data: list[LiveRelease]
    next: str | None


def show_events(rows: Iterable[tables.Event], caller: Caller) -> list[Event]:
    """Convert events; drops events and fields that the key may not see."""
    return [_show(row, caller) for row in rows if caller.may(Permission.SEE, _domain(row))]


def _domain(row: tables.Event) -> str:
    """Return the domain of an event; empty, which is no domain, for events that only unrestricted keys may see.

    A tenant and a domain can share a name, so an event without an adapter belongs to a domain only if its kind says so.
    """
    domain, slash, _ = row.subject.partition("/")
    return domain if slash or row.action in OF_DOMAINS else ""


def _show(row: tables.Event, caller: Caller) -> Event:
    """Convert one event. Only reviewers see remarks on reviews, because a remark can quote the request.

    Only keys that may see tenants see who a pin is for, and why.
    """
    remark = row.action.startswith("review-") and not caller.may(Permission.REVIEW, _domain(row))
    details = details_of(row)
    whose = _TENANT in details and not caller.may(Permission.SEE_KEYS)
    return Event(
        sequence=row.sequence,
        at=stamp(row.at),
        actor=row.actor,
        action=row.action,
        subject=row.subject,
        reason="" if remark or whose else row.reason,
        from_=row.before,
        to=row.after,
        details={name: _detail(value) for name, value in details.items() if not (whose and name == _TENANT)},
    )


def _detail(value: Any) -> Any:
    """Return a detail with the counts of a finding under their current names."""
    if not isinstance(value, Mapping):
        return value
    return {_OLD_COUNTS.get(name, name): one for name, one in value.items()}
