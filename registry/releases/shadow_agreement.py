"""Counts of how often a shadow's answer agrees with that of the release that answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from postil.plugins import ReleaseRef
from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.tables import Agreement
from postil.registry.names import AdapterName


@dataclass(frozen=True, slots=True)
class Compared:
    """One comparison: the release that answered, the shadow, and the result.

    ``verdict`` is ``agreed``, ``differed``, ``failed`` or ``skipped``.
    """

    answered: ReleaseRef
    shadow: ReleaseRef
    verdict: str


def add(database: Database, counts: Mapping[Compared, int]) -> None:
    """Add counts to the stored ones; safe with several gateways."""
    with database.write() as session:
        store.lock_for_writing(session)
        for compared, count in counts.items():
            ref, other = compared.answered, compared.shadow
            key = (ref.domain, ref.adapter, ref.number, other.number)
            row = session.get(Agreement, key) or Agreement(
                domain=ref.domain, adapter=ref.adapter, answered=ref.number, shadow=other.number
            )
            if compared.verdict in ("agreed", "differed"):
                row.compared += count
            if compared.verdict != "differed":
                setattr(row, compared.verdict, getattr(row, compared.verdict) + count)
            session.add(row)
            session.flush()


def of(database: Database, name: AdapterName) -> Sequence[Agreement]:
    """The counts of an adapter's shadows, the newest first."""
    with database.read() as session:
        return store.agreements(session, name)
