"""Responses about shadow agreement."""

from __future__ import annotations

import msgspec

from postil.registry.db import tables


class ShadowAgreement(msgspec.Struct, kw_only=True):
    """How often a shadow gave the same answer as the release that served the request.

    ``failed`` counts copies without an answer. ``skipped`` counts copies that were not sent because too many were in
    flight.
    """

    answered: str
    shadow: str
    compared: int
    agreed: int
    failed: int
    skipped: int


class AgreementPage(msgspec.Struct, kw_only=True):
    """The shadows of an adapter, newest first; always all of them."""

    data: list[ShadowAgreement]
    next: str | None = None


def show_agreement(row: tables.Agreement) -> ShadowAgreement:
    """Convert the agreement of a shadow with a serving release."""
    return ShadowAgreement(
        answered=f"{row.domain}/{row.adapter}@{row.answered}",
        shadow=f"{row.domain}/{row.adapter}@{row.shadow}",
        compared=row.compared,
        agreed=row.agreed,
        failed=row.failed,
        skipped=row.skipped,
    )
