"""Responses about domains and their signing keys."""

from __future__ import annotations

import msgspec

from postil.registry.signing.requirements import Requirement


class SigningKey(msgspec.Struct, kw_only=True):
    """A public key whose signatures a domain accepts."""

    fingerprint: str
    pem: str


class Domain(msgspec.Struct, kw_only=True):
    """A domain, the keys that its adapters must be signed with, and the unsigned releases that it still serves."""

    domain: str
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
        signature_required=bool(found.keys),
        keys=[SigningKey(fingerprint=key.fingerprint, pem=key.pem) for key in found.keys],
        unsigned=[str(ref) for ref in found.unsigned],
    )
