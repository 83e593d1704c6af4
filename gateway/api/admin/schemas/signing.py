"""Responses about domains and their signing keys."""

from __future__ import annotations

from dataclasses import asdict

import msgspec

from postil.registry.releases.quotas import DomainQuotas
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


class Domain(msgspec.Struct, kw_only=True):
    """A domain, the keys that its adapters must be signed with, and the unsigned releases that it still serves.

    ``quotas`` is how much it may keep.
    """

    domain: str
    signature_required: bool
    keys: list[SigningKey]
    unsigned: list[str]
    quotas: Quotas


class DomainPage(msgspec.Struct, kw_only=True):
    """Domains by name."""

    data: list[Domain]
    next: str | None


def show_domain(found: Requirement, quotas: Quotas) -> Domain:
    """Convert a domain and its requirements."""
    return Domain(
        domain=found.domain,
        signature_required=bool(found.keys),
        keys=[SigningKey(fingerprint=key.fingerprint, pem=key.pem) for key in found.keys],
        unsigned=[str(ref) for ref in found.unsigned],
        quotas=quotas,
    )


def show_quotas(own: DomainQuotas, defaults: DomainQuotas) -> Quotas:
    """Convert a domain's quotas."""
    return Quotas(**asdict(own.over(defaults)), own=sorted(own.named()))
