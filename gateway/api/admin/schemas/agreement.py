"""How shadows and what answered beside them look in the admin API."""

from __future__ import annotations

import msgspec

from postil.registry.db import tables


class ShadowAgreement(msgspec.Struct, kw_only=True):
    """How often a shadow said what the release that answered said.

    ``failed`` are copies that got no answer, ``skipped`` those never sent, because enough others were on their way.
    """

    answered: str
    shadow: str
    compared: int
    agreed: int
    failed: int
    skipped: int


class AgreementPage(msgspec.Struct, kw_only=True):
    """The shadows of an adapter, the newest first; always all of them."""

    data: list[ShadowAgreement]
    next: str | None = None


def show_agreement(row: tables.Agreement) -> ShadowAgreement:
    """How a shadow agreed with a release that answered."""
    return ShadowAgreement(
        answered=f"{row.domain}/{row.adapter}@{row.answered}",
        shadow=f"{row.domain}/{row.adapter}@{row.shadow}",
        compared=row.compared,
        agreed=row.agreed,
        failed=row.failed,
        skipped=row.skipped,
    )
