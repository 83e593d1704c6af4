"""Uploaded training files: rows in the database, contents on the disk. They hold what people wrote, as reviews do.

Adding, reading and removing one is an event of its domain, without its content.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func
from sqlmodel import Session, col, select

from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.job_tables import TrainingFile, TrainingJob
from postil.registry.db.tables import utcnow
from postil.registry.errors import JobError, NotFoundError
from postil.registry.fsutil import fsync, sha256_file
from postil.registry.jobs.apart import BoundedReading
from postil.registry.jobs.lists import Listed, newest_first
from postil.registry.jobs.states import OPEN
from postil.registry.text import kept_line

PURPOSE = "fine-tune"
ADD, READ, REMOVE = "training-file-add", "training-file-read", "training-file-remove"
# How names begin of uploads that have not arrived.
UNFINISHED = ".upload-"
_FILE = "file-"
_DAY = 86_400.0
_MOST_NAME = 200


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was uploaded and lies on the disk, whose it will be, and for how long."""

    path: Path
    filename: str
    domain: str
    owner: str
    kept_for: timedelta | None = None


class TrainingFiles:
    """The files of a gateway. ``folder`` holds the contents; ``most_bytes`` is what a domain may keep of them.

    ``count_rows`` checks a file, in a process of its own unless told otherwise.
    """

    def __init__(
        self,
        database: Database,
        folder: Path,
        most_bytes: int,
        count_rows: Callable[[Path, str], int] | None = None,
    ) -> None:
        self._database = database
        self._folder = folder
        self._most_bytes = most_bytes
        self._count_rows = count_rows or BoundedReading().count_rows

    def path(self, file_id: str) -> Path:
        """Where the content of a file lies."""
        return self._folder / file_id

    def add(self, upload: Upload) -> TrainingFile:
        """Check a file and take it: ``upload.path`` is moved, from the same disk. Raises JobError or TextError."""
        name = kept_line(upload.filename, "name of the file")[:_MOST_NAME] or "file.jsonl"
        rows, now = self._count_rows(upload.path, name), utcnow()
        found = TrainingFile(
            id=f"{_FILE}{secrets.token_hex(12)}",
            domain=upload.domain,
            owner=upload.owner,
            filename=name,
            purpose=PURPOSE,
            bytes=upload.path.stat().st_size,
            digest=f"sha256:{sha256_file(upload.path)}",
            rows=rows,
            created_at=now,
            expires_at=None if upload.kept_for is None else now + upload.kept_for,
        )
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        upload.path.rename(self.path(found.id))
        fsync(self.path(found.id))
        try:
            with self._database.write() as session:
                store.lock_for_writing(session)
                self._check_room(session, found)
                session.add(found)
                _record(session, found, ADD, upload.owner)
        except BaseException:
            self.path(found.id).unlink(missing_ok=True)
            raise
        return found

    def get(self, file_id: str, scope: Collection[str] | None) -> TrainingFile:
        """A file of one of the domains of ``scope`` (None: any). Raises NotFoundError."""
        with self._database.read() as session:
            return _found(session, file_id, scope)

    def read(self, file_id: str, scope: Collection[str] | None, *, actor: str) -> Path:
        """Where a file's content lies, for somebody who reads it; that is an event. Raises NotFoundError."""
        with self._database.write() as session:
            store.lock_for_writing(session)
            found = _found(session, file_id, scope)
            _record(session, found, READ, actor)
        path = self.path(found.id)
        if not path.is_file():
            raise NotFoundError(f"the content of {file_id} is not on this gateway's disk; upload the file again")
        return path

    def list(
        self, scope: Collection[str] | None, *, after: str | None, limit: int, oldest_first: bool = False
    ) -> Listed[TrainingFile]:
        """List files, the newest first unless told otherwise. Raises JobError if there is no file ``after``."""
        query = select(TrainingFile).where(_in_force(), _theirs(scope))
        with self._database.read() as session:
            return newest_first(session, query, TrainingFile, after, limit, oldest_first=oldest_first)

    def remove(self, file_id: str, scope: Collection[str] | None, *, actor: str) -> None:
        """Delete a file with its content. Raises NotFoundError, or JobError while a job that has not ended uses it."""
        with self._database.write() as session:
            store.lock_for_writing(session)
            found = _found(session, file_id, scope)
            if (job := _user(session, found.id)) is not None:
                raise JobError(f"{file_id} is used by {job}, which has not ended; cancel the job first", "file_id")
            session.delete(found)
            _record(session, found, REMOVE, actor)
        self.path(found.id).unlink(missing_ok=True)

    def remove_expired(self, now: datetime, *, actor: str) -> int:
        """Delete the files whose time is over and that no job uses; returns how many.

        What an upload has left that did not come to its end goes a day later, and so does a content without a row.
        """
        self._sweep(now)
        with self._database.read() as session:
            over: Sequence[str] = session.exec(select(TrainingFile.id).where(~_in_force(now))).all()
        if not over:
            return 0
        with self._database.write() as session:
            store.lock_for_writing(session)
            unused = [row for each in over if (row := session.get(TrainingFile, each)) and not _user(session, each)]
            for row in unused:
                session.delete(row)
                _record(session, row, REMOVE, actor)
        for row in unused:
            self.path(row.id).unlink(missing_ok=True)
        return len(unused)

    def _sweep(self, now: datetime) -> None:
        old = [path for path in self._folder.glob("*") if _is_old(path, now)]
        contents = [path.name for path in old if path.name.startswith(_FILE)]
        known = set[str]()
        if contents:
            with self._database.read() as session:
                known.update(session.exec(select(TrainingFile.id)).all())
        for path in old:
            if path.name.startswith(UNFINISHED) or path.name in set(contents) - known:
                path.unlink(missing_ok=True)

    def _check_room(self, session: Session, added: TrainingFile) -> None:
        kept = session.exec(
            select(func.coalesce(func.sum(TrainingFile.bytes), 0)).where(col(TrainingFile.domain) == added.domain)
        ).one()
        if int(kept) + added.bytes > self._most_bytes:
            raise JobError(
                f"the training files of {added.domain} would have {(int(kept) + added.bytes) >> 20} MiB, and may have"
                f" {self._most_bytes >> 20}; delete some, or have an admin raise POSTIL_TRAINING_FILES_MIB_PER_DOMAIN",
                "file",
            )


def _is_old(path: Path, now: datetime) -> bool:
    try:
        return now.timestamp() - path.stat().st_mtime > _DAY
    except FileNotFoundError:  # It arrived meanwhile, and has another name.
        return False


def _in_force(now: datetime | None = None) -> Any:
    expires = col(TrainingFile.expires_at)
    return expires.is_(None) | (expires > (now or utcnow()))


def _theirs(scope: Collection[str] | None) -> Any:
    return col(TrainingFile.domain).in_(scope) if scope is not None else col(TrainingFile.id).is_not(None)


def _found(session: Session, file_id: str, scope: Collection[str] | None) -> TrainingFile:
    query = select(TrainingFile).where(col(TrainingFile.id) == file_id, _in_force(), _theirs(scope))
    found = session.exec(query).one_or_none()
    if found is None:
        raise NotFoundError(f"there is no file {file_id[:40]!r} of your domains; see GET /v1/files")
    return found


def _user(session: Session, file_id: str) -> str | None:
    """A job that has not ended and takes a file."""
    uses = (col(TrainingJob.training_file) == file_id) | (col(TrainingJob.validation_file) == file_id)
    return session.exec(select(TrainingJob.id).where(uses, col(TrainingJob.status).in_(OPEN)).limit(1)).first()


def _record(session: Session, file: TrainingFile, action: str, actor: str) -> None:
    details = {"file": file.id, "digest": file.digest, "bytes": file.bytes, "rows": file.rows}
    store.record(session, actor=actor, action=action, subject=file.domain, reason="", details=details)
