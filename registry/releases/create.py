"""Creates a release, with its event, within a transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlmodel import Session

from postil.registry.db import queries as store
from postil.registry.db.tables import Domain, Release
from postil.registry.names import AdapterName
from postil.registry.releases.freeze import check_not_frozen
from postil.registry.releases.history import RESTORE, collected
from postil.registry.releases.published import PUBLISHED


def create(session: Session, candidate: Release, details: Mapping[str, Any]) -> tuple[Release, bool]:
    """Make a release, unless there is the same already; returns it and whether it is new, or restored from collection.

    ``details`` stand in the log, beside those of the release. The caller's transaction is one that writes.
    """
    name = AdapterName(candidate.domain, candidate.adapter)
    store.lock_for_writing(session)
    check_not_frozen(session, name.domain)
    if found := store.same_release(session, candidate):
        return found, _restored(session, candidate, found.number, name)
    candidate.number = store.next_number(session, name)
    session.add(candidate)
    if session.get(Domain, name.domain) is None:
        session.add(Domain(name=name.domain, default_adapter=name.adapter))
    store.record(
        session,
        actor=candidate.actor,
        action="publish",
        subject=str(name),
        reason=candidate.note,
        after=candidate.number,
        details={**{what: getattr(candidate, what) for what in PUBLISHED}, **details},
        remark=True,
    )
    return candidate, True


def _restored(session: Session, candidate: Release, number: int, name: AdapterName) -> bool:
    """Whether the files of a release were collected and are there again now."""
    if number not in collected(session, name):
        return False
    store.record(
        session,
        actor=candidate.actor,
        action=RESTORE,
        subject=str(name),
        reason=candidate.note,
        after=number,
        details={"artifact": candidate.artifact},
        remark=True,
    )
    return True
