"""Counts how many adapters of a domain were measured with a file of held-out rows: what is chosen by it, fits it.

They have a table and are no events: a count by file is asked at every publish, and measuring changes no release.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, func
from sqlmodel import Session, col, select

from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.job_tables import HeldOutUse
from postil.registry.db.tables import Release
from postil.registry.defaults import HELD_OUT_LIMIT
from postil.registry.names import AdapterName
from postil.registry.releases.lineage import Lineage, lineage_in
from postil.registry.text import cut

# Of one domain; further ones are not counted, so that nobody fills the database with them.
_MOST = 10_000


def uses(database: Database, domain: str, digest: str) -> int:
    """Return how many adapters of a domain were measured with a file."""
    with database.read() as session:
        return _count(session, domain, col(HeldOutUse.digest) == digest)


def note(database: Database, name: AdapterName, digest: str, measured: str, *, actor: str) -> int:
    """Count a file as used for what was ``measured``, once; return how many were measured with it."""
    with database.write() as session:
        store.lock_for_writing(session)
        known = session.get(HeldOutUse, (name.domain, digest, measured))
        if known is None and _count(session, name.domain) < _MOST:
            use = HeldOutUse(domain=name.domain, digest=digest, measured=measured, adapter=name.adapter, actor=actor)
            session.add(use)
            session.flush()
        return _count(session, name.domain, col(HeldOutUse.digest) == digest)


def note_release(database: Database, release: Release, report: Mapping[str, Any]) -> None:
    """Count the file that a release's report has its figures from."""
    found = lineage_in(report)
    if found.evaluation is not None:
        name, measured = AdapterName(release.domain, release.adapter), measured_as(found, release.artifact)
        note(database, name, found.evaluation.digest, measured, actor=release.actor)


def worn_out_warnings(
    database: Database, domain: str, report: Mapping[str, Any], limit: int = HELD_OUT_LIMIT
) -> list[str]:
    """Warn where a report has its figures from a file with which ``limit`` other adapters and more were measured."""
    found = lineage_in(report)
    if found.evaluation is None:
        return []
    with database.read() as session:
        own = col(HeldOutUse.measured) != measured_as(found, "")
        used = _count(session, domain, col(HeldOutUse.digest) == found.evaluation.digest, own)
    return [worn_out_sentence(found.evaluation.file, used)] if used >= limit else []


def worn_out_sentence(file: str, used: int) -> str:
    """Say that a file is worn out."""
    return (
        f"{used} adapters were measured with the held-out rows of {cut(file)!a} before: what is chosen by the same rows"
        " again and again fits them; hold out new ones"
    )


def measured_as(lineage: Lineage, artifact: str) -> str:
    """What an adapter counts as: by its round's training, which was measured before there was an artifact."""
    return lineage.steps.get("train", artifact)


def _count(session: Session, domain: str, *conditions: ColumnElement[bool]) -> int:
    query = select(func.count()).select_from(HeldOutUse).where(col(HeldOutUse.domain) == domain, *conditions)
    return session.exec(query).one()
