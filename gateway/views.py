"""How things look in the admin API: plain JSON values, the same that ``--json`` prints."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from postil.gateway.lifecycle import Gateway
from postil.plugins.manager import Offer
from postil.registry.models import Event, Release, Tenant
from postil.registry.releases import AdapterState


def adapter(state: AdapterState, gateway: Gateway) -> dict[str, Any]:
    """An adapter with its releases, newest first, and what was done to it."""
    entry = gateway.catalog.entries.get(str(state.name))
    broken = entry.broken if entry else {}
    made_live = {event.after: event for event in state.events if event.action in ("promote", "rollback")}
    return {
        "adapter": str(state.name),
        "live": state.live,
        "default": state.default,
        "releases": [
            {
                **release(row),
                "live": row.number == state.live,
                "live_since": event(made_live[row.number])["at"] if row.number == state.live else None,
                "problem": broken.get(row.number),
            }
            for row in reversed(state.releases)
        ],
        "events": [event(row) for row in state.events],
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
        "policy_digest": row.policy_digest,
        "validators": row.validators,
        "note": row.note,
        "by": row.actor,
        "created": _stamp(row.created_at),
    }


def event(row: Event) -> dict[str, Any]:
    """One row of the log."""
    return {
        "sequence": row.sequence,
        "at": _stamp(row.at),
        "by": row.actor,
        "action": row.action,
        "subject": row.subject,
        "reason": row.reason,
        "from": row.before,
        "to": row.after,
    }


def _stamp(at: datetime) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def tenant(row: Tenant) -> dict[str, Any]:
    """A tenant, without what could be used as its key."""
    return {
        "name": row.name,
        "domains": row.domains,
        "default_domain": row.default_domain,
        "key_prefix": row.key_prefix,
        "created": _stamp(row.created_at),
    }


def offer(row: Offer) -> dict[str, Any]:
    """A validator or fallback rule on offer."""
    return {
        "kind": row.kind,
        "name": row.name,
        "version": row.version,
        "plugin": row.plugin,
        "config_schema": dict(row.schema),
    }


def status(gateway: Gateway) -> dict[str, Any]:
    """What the gateway is doing, and what of each adapter is live and resident."""
    base = gateway.registry().base if gateway.started else None
    return {
        "engine": str(gateway.phase),
        "problem": gateway.problem,
        "requests_in_flight": gateway.in_flight,
        "engine_restarts": gateway.engine_restarts,
        "base": base.id if base else None,
        "base_revision": base.revision if base else None,
        "adapters": [
            {
                "release": str(servable.ref),
                "resident": gateway.holds(servable.engine_name),
                "problem": gateway.failed_loads.get(str(servable.ref)),
            }
            for servable in gateway.catalog.live()
        ],
    }
