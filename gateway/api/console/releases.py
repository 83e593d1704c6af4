"""Releases in a list: what each is now, and what it changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from postil.gateway.inference.routing.catalog import COLLECTED, AdapterEntry
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
    # Whether its adapter is retired as a whole: then nothing of it can be promoted or tried.
    adapter_retired: bool

    @property
    def usable(self) -> bool:
        """Whether it can be promoted or tried."""
        out = self.adapter_retired or self.problem is not None
        return not out and {LIVE, YANKED, RETIRED}.isdisjoint(self.states)

    @property
    def can_retire(self) -> bool:
        """Whether it can be taken out of service by itself: nothing but a pin points to it."""
        return {LIVE, CANARY, SHADOW, YANKED, RETIRED}.isdisjoint(self.states)

    @property
    def can_restore(self) -> bool:
        """Whether it can be put back into service: it is out of it, and has its files."""
        return RETIRED in self.states and self.problem != COLLECTED


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
            adapter_retired=entry.retired.adapter,
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
