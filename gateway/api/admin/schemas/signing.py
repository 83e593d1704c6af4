"""Responses about domains and their signing keys."""

from __future__ import annotations

from dataclasses import asdict

import msgspec

from postil.gateway.api.admin.schemas.times import stamp
from postil.registry.db import tables
from postil.registry.releases.quotas import DomainQuotas, of_domain
from postil.registry.signing.requirements import Requirement


class SigningKey(msgspec.Struct, kw_only=True):
    """A public key whose signatures a domain accepts."""

    fingerprint: str
    pem: str


class Quotas(msgspec.Struct, kw_only=True):
    """How much a domain may keep: its own figures, or the gateway's; ``own`` names those that are its own."""

    releases: int | None
    artifact_mib: int | None
    review_days: int | None
    open_reviews: int | None
    own: list[str]


class Freeze(msgspec.Struct, kw_only=True):
    """Since when a domain is frozen, by whom, and why."""

    since: str
    actor: str
    reason: str


class Domain(msgspec.Struct, kw_only=True):
    """A domain, the keys that its adapters must be signed with, and the unsigned releases that it still serves.

    ``frozen`` is null unless it is; ``sources`` are what its publishers may fetch with the gateway's token; ``quotas``
    is how much it may keep.
    """

    domain: str
    frozen: Freeze | None
    sources: list[str]
    signature_required: bool
    keys: list[SigningKey]
    unsigned: list[str]
    quotas: Quotas


class DomainPage(msgspec.Struct, kw_only=True):
    """Domains by name."""

    data: list[Domain]
    next: str | None


def show_domain(found: Requirement, defaults: DomainQuotas) -> Domain:
    """Convert a domain and its requirements; ``defaults`` hold where it has no quotas of its own."""
    return Domain(
        domain=found.domain,
        frozen=_freeze(found.row),
        sources=found.row.sources if found.row else [],
        signature_required=bool(found.keys),
        keys=[SigningKey(fingerprint=key.fingerprint, pem=key.pem) for key in found.keys],
        unsigned=[str(ref) for ref in found.unsigned],
        quotas=show_quotas(of_domain(found.row), defaults),
    )


def show_quotas(own: DomainQuotas, defaults: DomainQuotas) -> Quotas:
    """Convert a domain's quotas."""
    return Quotas(**asdict(own.over(defaults)), own=sorted(own.named()))


def _freeze(row: tables.Domain | None) -> Freeze | None:
    if row is None or row.frozen_at is None:
        return None
    return Freeze(since=stamp(row.frozen_at), actor=row.frozen_by or "", reason=row.frozen_reason)
