"""How things look in the admin API: plain JSON values, the same that ``--json`` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from postil.gateway.inference.routing.catalog import Catalog
from postil.gateway.tenancy.directory import Caller
from postil.gateway.tenancy.permissions import Permission
from postil.registry.accounts.keys import Role, in_force
from postil.registry.db.tables import Agreement, Event, Key, Release, Review, Tenant, utcnow
from postil.registry.releases.channels import CANARY, SHADOW, STABLE
from postil.registry.releases.service import AdapterState
from postil.registry.reviews.export_examples import last_message
from postil.registry.signing.requirements import REQUIRE

_TENANT = "tenant"


def adapter(state: AdapterState, catalog: Catalog, caller: Caller) -> dict[str, Any]:
    """An adapter with its releases, newest first, where its channels point, and what was done to it."""
    entry = catalog.entries.get(str(state.name))
    broken = entry.broken if entry else {}
    stable = state.channels.get(STABLE)
    return {
        "adapter": str(state.name),
        "live": state.live,
        "live_since": _stamp(stable.moved_at) if stable else None,
        "revision": stable.revision if stable else 0,
        "default": state.default,
        "canary": _share(state, CANARY),
        "shadow": _share(state, SHADOW),
        "pins": _pins(state.pins, caller),
        "pinned": {str(number): tenants for number, tenants in sorted(Counter(state.pins.values()).items())},
        "releases": [
            {**release(row), "live": row.number == state.live, "problem": broken.get(row.number)}
            for row in reversed(state.releases)
        ],
        "events": events(state.events, caller),
    }


def _pins(pins: Mapping[str, int], caller: Caller) -> dict[str, int]:
    """Which tenant keeps which release, for those who may know who the tenants are; ``pinned`` counts for everybody."""
    return dict(pins) if caller.may(Permission.SEE_KEYS) else {}


def _share(state: AdapterState, which: str) -> dict[str, Any] | None:
    """A canary or shadow, or None where there is none."""
    channel = state.channels.get(which)
    if channel is None or not channel.number:
        return None
    return {
        "release": channel.number,
        "weight": channel.weight,
        "since": _stamp(channel.moved_at),
        "revision": channel.revision,
    }


def review(row: Review) -> dict[str, Any]:
    """A review as those see it who decide."""
    return {
        "id": row.id,
        "release": f"{row.domain}/{row.adapter}@{row.number}",
        "tenant": row.tenant,
        "status": row.status,
        "reason": row.reason,
        "asked": last_message(row.request),
        "answer": row.answer,
        "holding": row.holding,
        "final": row.final,
        "assigned_to": row.assigned_to,
        "decided_by": row.decided_by,
        "decided": _stamp(row.decided_at) if row.decided_at else None,
        "note": row.note,
        "created": _stamp(row.created_at),
        "verdicts": row.verdicts,
        "request": row.request,
        "webhook": _webhook(row),
    }


def _webhook(row: Review) -> str | None:
    """How far telling the webhook has come."""
    if row.webhook is None or row.decided_at is None:
        return None
    if row.told is not None:
        return f"told at {_stamp(row.told)}"
    return f"tried {row.tries} times" + ("" if row.next_try else ", given up")


def agreement(row: Agreement) -> dict[str, Any]:
    """How a shadow agreed with a release that answered."""
    return {
        "answered": f"{row.domain}/{row.adapter}@{row.answered}",
        "shadow": f"{row.domain}/{row.adapter}@{row.shadow}",
        "compared": row.compared,
        "agreed": row.agreed,
        "failed": row.failed,
        "skipped": row.skipped,
    }


def release(row: Release) -> dict[str, Any]:
    """A release: what it is made of, who made it, when and why."""
    return {
        "release": f"{row.domain}/{row.adapter}@{row.number}",
        "number": row.number,
        "artifact": row.artifact,
        "base": row.base_id,
        "base_revision": row.base_revision,
        "policy": row.policy,
        "calibration": row.calibration,
        "policy_digest": row.policy_digest,
        "validators": row.validators,
        "source": row.source,
        "note": row.note,
        "by": row.actor,
        "created": _stamp(row.created_at),
    }


def events(rows: Iterable[Event], caller: Caller) -> list[dict[str, Any]]:
    """The rows of the log that a key may see, each as far as it may."""
    return [_event(row, caller) for row in rows if caller.may(Permission.SEE, _domain(row))]


def _domain(row: Event) -> str:
    """The domain that an event is about, or none, which only those may see who see all.

    Tenants may be called like domains: of the subjects without an adapter, only one of its own kind is a domain's.
    """
    domain, slash, _ = row.subject.partition("/")
    return domain if slash or row.action == REQUIRE else ""


def _event(row: Event, caller: Caller) -> dict[str, Any]:
    """One row of the log. What a reviewer remarked may quote what was asked: it is for those who review.

    Whom a pin is for, and why, is for those who may know who the tenants are.
    """
    remark = row.action.startswith("review-") and not caller.may(Permission.REVIEW, _domain(row))
    whose = _TENANT in row.details and not caller.may(Permission.SEE_KEYS)
    details = {name: value for name, value in row.details.items() if not (whose and name == _TENANT)}
    return {
        "sequence": row.sequence,
        "at": _stamp(row.at),
        "by": row.actor,
        "action": row.action,
        "subject": row.subject,
        "reason": "" if remark or whose else row.reason,
        "from": row.before,
        "to": row.after,
        "details": details,
    }


def _stamp(at: datetime) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def tenant(row: Tenant, keys: Iterable[Key]) -> dict[str, Any]:
    """A tenant, with the keys of it that are in force."""
    now = utcnow()
    return {
        "name": row.name,
        "domains": row.domains,
        "default_domain": row.default_domain,
        "keys": [key(each) for each in keys if each.owner == row.name and _tenants(each) and in_force(each, now)],
        "limits": row.limits,
        "created": _stamp(row.created_at),
    }


def _tenants(row: Key) -> bool:
    return row.role == Role.TENANT


def key(row: Key) -> dict[str, Any]:
    """A key, without what could be used as one."""
    state = "revoked" if row.revoked_at else "in force" if in_force(row, utcnow()) else "expired"
    return {
        "id": row.id,
        "prefix": row.prefix,
        "owner": row.owner,
        "role": row.role,
        "domains": row.domains,
        "state": state,
        "created": _stamp(row.created_at),
        "expires": _stamp(row.expires_at) if row.expires_at else None,
        "revoked": _stamp(row.revoked_at) if row.revoked_at else None,
        "note": row.note,
    }
