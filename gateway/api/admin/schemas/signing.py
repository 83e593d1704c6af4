"""Responses about domains and their signing keys."""

from __future__ import annotations

import msgspec

from postil.gateway.api.admin.schemas.times import stamp
from postil.registry.db import tables
from postil.registry.signing.requirements import Requirement


class SigningKey(msgspec.Struct, kw_only=True):
    """A public key whose signatures a domain accepts."""

    fingerprint: str
    pem: str


class Freeze(msgspec.Struct, kw_only=True):
    """Since when a domain is frozen, by whom, and why."""

    since: str
    actor: str
    reason: str


class Domain(msgspec.Struct, kw_only=True):
    """A domain, the keys that its adapters must be signed with, and the unsigned releases that it still serves.

    ``frozen`` is null unless it is; ``sources`` are what its publishers may fetch with the gateway's token.
    """

    domain: str
    frozen: Freeze | None
    sources: list[str]
    signature_required: bool
    keys: list[SigningKey]
    unsigned: list[str]


class DomainPage(msgspec.Struct, kw_only=True):
    """Domains by name."""

    data: list[Domain]
    next: str | None


def show_domain(found: Requirement) -> Domain:
    """Convert a domain and its requirements."""
    return Domain(
        domain=found.domain,
        frozen=_freeze(found.row),
        sources=found.row.sources if found.row else [],
        signature_required=bool(found.keys),
        keys=[SigningKey(fingerprint=key.fingerprint, pem=key.pem) for key in found.keys],
        unsigned=[str(ref) for ref in found.unsigned],
    )


def _freeze(row: tables.Domain | None) -> Freeze | None:
    if row is None or row.frozen_at is None:
        return None
    return Freeze(since=stamp(row.frozen_at), actor=row.frozen_by or "", reason=row.frozen_reason)
