"""Notes in the log who took the files of a release out."""

from __future__ import annotations

from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.tables import Release

EXPORT = "export"


def note_export(database: Database, release: Release, *, actor: str) -> None:
    """Add the export of a release to the log."""
    with database.write() as session:
        store.lock_for_writing(session)
        subject, details = f"{release.domain}/{release.adapter}", {"artifact": release.artifact}
        store.record(
            session, actor=actor, action=EXPORT, subject=subject, reason="", before=release.number, details=details
        )
