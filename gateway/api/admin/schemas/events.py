"""How the log looks in the admin API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from postil.gateway.api.admin.schemas.times import stamp
from postil.gateway.tenancy.directory import Caller
from postil.gateway.tenancy.permissions import Permission
from postil.registry.db import tables
from postil.registry.signing.requirements import REQUIRE

_TENANT = "tenant"
# The names of the counts in events from before they were called so; the log keeps them as they were written.
_OLD_COUNTS = {
    "new_failures": "candidate_failures",
    "new_total": "candidate_total",
    "old_failures": "baseline_failures",
    "old_total": "baseline_total",
}


class Event(msgspec.Struct, kw_only=True):
    """One row of the log: who did what to which adapter, from which release to which, and for what reason.

    ``action`` is the word that the log keeps. ``details`` depend on it. What a key may not see is left out.
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
    """Events in the order that was asked for: the oldest first, or the newest."""

    data: list[Event]
    next: str | None


class AuditReport(msgspec.Struct, kw_only=True):
    """How many events there are, and the sequence number at which the chain no longer holds, or null."""

    events: int
    first_break: int | None


class LiveRelease(msgspec.Struct, kw_only=True):
    """The release that was live of an adapter."""

    adapter: str
    release: str
    number: int


class LivePage(msgspec.Struct, kw_only=True):
    """What was live at an instant, by adapter."""

    data: list[LiveRelease]
    next: str | None


def show_events(rows: Iterable[tables.Event], caller: Caller) -> list[Event]:
    """The rows of the log that a key may see, each as far as it may."""
    return [_show(row, caller) for row in rows if caller.may(Permission.SEE, _domain(row))]


def _domain(row: tables.Event) -> str:
    """The domain that an event is about, or none, which only those may see who see all.

    Tenants may be called like domains: of the subjects without an adapter, only one of its own kind is a domain's.
    """
    domain, slash, _ = row.subject.partition("/")
    return domain if slash or row.action == REQUIRE else ""


def _show(row: tables.Event, caller: Caller) -> Event:
    """One row of the log. What a reviewer remarked may quote what was asked: it is for those who review.

    Whom a pin is for, and why, is for those who may know who the tenants are.
    """
    remark = row.action.startswith("review-") and not caller.may(Permission.REVIEW, _domain(row))
    whose = _TENANT in row.details and not caller.may(Permission.SEE_KEYS)
    return Event(
        sequence=row.sequence,
        at=stamp(row.at),
        actor=row.actor,
        action=row.action,
        subject=row.subject,
        reason="" if remark or whose else row.reason,
        from_=row.before,
        to=row.after,
        details={name: _detail(value) for name, value in row.details.items() if not (whose and name == _TENANT)},
    )


def _detail(value: Any) -> Any:
    """A detail with the counts of a finding under the names that they have now."""
    if not isinstance(value, Mapping):
        return value
    return {_OLD_COUNTS.get(name, name): one for name, one in value.items()}
