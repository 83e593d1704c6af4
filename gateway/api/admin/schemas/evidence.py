"""Responses about what requests have shown of a release."""

from __future__ import annotations

import msgspec

from postil.registry.db import safety_tables as tables
from postil.registry.releases.evidence import SignalSum


class SignalEvidence(msgspec.Struct, kw_only=True):
    """One signal of a release: ``bad`` of ``seen`` requests showed it, those of ``tenants_affected`` of ``tenants``.

    Requests that say nothing of the release are not counted: refused ones, and those whose own parameters spoilt the
    answer.
    """

    signal: str
    seen: int
    bad: int
    tenants: int
    tenants_affected: int


class ReleaseEvidence(msgspec.Struct, kw_only=True):
    """The signals of a release, of all tenants together."""

    release: str
    signals: list[SignalEvidence]


class TenantEvidence(msgspec.Struct, kw_only=True):
    """One signal of a release, as one tenant's requests showed it."""

    tenant: str
    signal: str
    seen: int
    bad: int


class TenantEvidencePage(msgspec.Struct, kw_only=True):
    """The signals of a release by tenant."""

    data: list[TenantEvidence]
    next: str | None


def show_signal(found: SignalSum) -> SignalEvidence:
    """Convert the sum of a signal."""
    return msgspec.convert(found, SignalEvidence, from_attributes=True)


def show_tenant(row: tables.Evidence) -> TenantEvidence:
    """Convert one tenant's sum."""
    return msgspec.convert(row, TenantEvidence, from_attributes=True)
