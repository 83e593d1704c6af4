"""How things look in the admin API: plain JSON values, the same that ``--json`` prints."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from postil.gateway.catalog import Servable
from postil.gateway.lifecycle import Gateway
from postil.registry.channels import CANARY, SHADOW, STABLE
from postil.registry.examples import last_message
from postil.registry.models import Agreement, Event, Release, Review, Tenant
from postil.registry.releases import AdapterState


def adapter(state: AdapterState, gateway: Gateway) -> dict[str, Any]:
    """An adapter with its releases, newest first, where its channels point, and what was done to it."""
    entry = gateway.catalog.entries.get(str(state.name))
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
        "pins": dict(state.pins),
        "releases": [
            {**release(row), "live": row.number == state.live, "problem": broken.get(row.number)}
            for row in reversed(state.releases)
        ],
        "events": [event(row) for row in state.events],
    }


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
        "details": row.details,
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


def status(gateway: Gateway) -> dict[str, Any]:
    """What the gateway is doing, and what of each adapter is live and resident."""
    base = gateway.registry().base if gateway.started else None
    return {
        "engine": str(gateway.phase),
        "problem": gateway.problem,
        "requests_in_flight": gateway.in_flight,
        "requests_waiting": gateway.admission.turns.waiting,
        "engine_restarts": gateway.engine_restarts,
        "base": base.id if base else None,
        "base_revision": base.revision if base else None,
        "adapters": [_wanted(gateway, servable, why) for servable, why in gateway.catalog.wanted()] + _missed(gateway),
        "watches": _watches(gateway),
    }


def _wanted(gateway: Gateway, servable: Servable, why: list[str]) -> dict[str, Any]:
    """A release that the engine has to hold, and whether it does."""
    trouble = gateway.trouble(servable)
    return {
        "release": str(servable.ref),
        "why": why,
        "resident": gateway.holds(servable.engine_name),
        "problem": trouble.reason if trouble else None,
        "attempts": trouble.attempts if trouble else 0,
    }


def _missed(gateway: Gateway) -> list[dict[str, Any]]:
    """The releases that the engine should hold, but that cannot be served on this gateway."""
    return [
        {"release": str(entry.name.release(number)), "why": why, "resident": False, "problem": entry.broken[number],
         "attempts": 0}
        for _, entry in sorted(gateway.catalog.entries.items())
        for number, why in sorted(entry.missed().items())
    ]


def _watches(gateway: Gateway) -> list[dict[str, Any]]:
    """What is compared with its predecessor, and the evidence so far."""
    found = []
    for name in sorted(gateway.catalog.entries):
        watch = gateway.monitor.watch(name)
        if watch is not None:
            found.append(
                {"new": f"{name}@{watch.new}", "old": f"{name}@{watch.old}", "channel": watch.which,
                 "evidence": [asdict(signal) for signal in watch.comparison.evidence()]}
            )
    return found
