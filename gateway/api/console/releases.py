"""Releases in a list: what each is now, and what it changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from postil.gateway.inference.routing.catalog import AdapterEntry
from postil.registry.db.tables import Release

LIVE, CANARY, SHADOW, YANKED, RETIRED = "live", "canary", "shadow", "yanked", "retired"


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """A release: what it is now, in words, and what it changed against the one before it in the list."""

    number: int
    created: datetime
    actor: str
    note: str
    states: Sequence[str]
    changed: str
    problem: str | None

    @property
    def usable(self) -> bool:
        """Whether it can be promoted or tried."""
        return not {LIVE, YANKED, RETIRED} & set(self.states) and self.problem is None


def release_rows(rows: Sequence[Release], entry: AdapterEntry) -> list[ReleaseRow]:
    """Convert a page of releases, the newest first."""
    before = [*rows[1:], None]
    return [
        ReleaseRow(
            number=row.number,
            created=row.created_at,
            actor=row.actor,
            note=row.note,
            states=_states(row, entry),
            changed=_changed(row, older),
            problem=None if row.yanked_at is not None else entry.broken.get(row.number),
        )
        for row, older in zip(rows, before, strict=True)
    ]


def _states(row: Release, entry: AdapterEntry) -> list[str]:
    shares = ((CANARY, entry.canary), (SHADOW, entry.shadow))
    found = [LIVE] if row.number == entry.live else []
    found += [name for name, share in shares if share is not None and share.number == row.number]
    found += [YANKED] if row.yanked_at is not None else []
    return found + ([RETIRED] if row.number in entry.retired.releases else [])


def _changed(row: Release, older: Release | None) -> str:
    """What differs from the release before: its weights, its policy, or both."""
    if older is None:
        return "first release" if row.number == 1 else ""
    parts = [
        what
        for what, differs in (
            ("weights", row.artifact != older.artifact),
            ("policy", row.policy_digest != older.policy_digest),
        )
        if differs
    ]
    return " and ".join(parts) or "calibration or base"
