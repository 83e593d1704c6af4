"""Writes a gateway's home into one file: the registry, the adapters' files and the admin key, each with its digest.

The file is an uncompressed tar that begins with ``manifest.json``. A gateway may serve meanwhile: SQLite copies one
state of the database, artifacts never change, and none is deleted as long as this takes.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec

from postil.gateway.settings import Settings
from postil.gateway.settings.files import database_files
from postil.registry.artifacts.archives.tar import TarFile, tar_chunks
from postil.registry.artifacts.local_store import LocalStore
from postil.registry.errors import ArtifactError
from postil.registry.fsutil import private_files, sha256_file

FORMAT = 1
MANIFEST, DATABASE, ADMIN_KEY, REVISIONS = "manifest.json", "postil.db", "admin.key", "base/revisions.json"
ARTIFACTS = "artifacts/sha256"
# What is secret in any backup; the admin key is named where it is in it.
_SECRETS = ("the secrets of webhooks", "hashes of keys", "texts of reviews")


class BackupError(Exception):
    """A home that cannot be saved, or a backup that cannot be brought back; one sentence with the remedy."""


class SavedFile(msgspec.Struct, frozen=True):
    """A file of a backup."""

    sha256: str
    bytes: int


class Manifest(msgspec.Struct, frozen=True):
    """What a backup holds: the version that made it, its schema of the database, its files and kinds of secrets.

    ``damaged`` are the artifacts that were not what their digest says, and were left out.
    """

    format: int
    postil: str
    schema: str
    made: str
    files: dict[str, SavedFile]
    secrets: list[str]
    damaged: list[str]


def sqlite_file(settings: Settings) -> Path:
    """The file of the registry. Raises BackupError where it is in PostgreSQL."""
    files = database_files(settings)
    if not files:
        raise BackupError(
            "the registry is in PostgreSQL, which has tools of its own: save it with `pg_dump --format=custom`, and"
            f" then copy the folder {settings.artifact_folder} and the home's admin.key; `pg_restore` brings it back"
        )
    return files[0]


def save(settings: Settings, target: Path, *, admin_key: bool = True) -> tuple[Manifest, str]:
    """Write a backup (0600) and return what it holds, with the SHA-256 of the file. Raises BackupError."""
    database = sqlite_file(settings)
    if not database.is_file():
        raise BackupError(f"there is no registry at {database}; run this with the POSTIL_HOME of the gateway")
    if target.exists():
        raise BackupError(f"{target} exists already; name a new file")
    try:
        with private_files(), tempfile.TemporaryDirectory(dir=target.parent, prefix=".postil-backup-") as folder:
            store = LocalStore.open(settings.artifact_folder, shared=settings.shared_with_group)
            with store.naming():  # Nothing is collected meanwhile.
                files, damaged = _gathered(settings, store, _copied(database, Path(folder)), admin_key=admin_key)
                manifest = _manifest(files, damaged, schema_of(Path(folder) / DATABASE))
                content = msgspec.json.format(msgspec.json.encode(manifest))
                written = Path(folder) / "backup"
                digest = _write(written, [TarFile(MANIFEST, content), *files])
            written.rename(target)
    except (OSError, sqlite3.Error) as error:
        raise BackupError(f"the backup could not be written: {error}; look for room and rights there") from error
    return manifest, digest


def schema_of(database: Path) -> str:
    """The revision of a database's tables; empty where it has none of postil's."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError:
            return ""
    return str(row[0]) if row else ""


def _copied(database: Path, folder: Path) -> Path:
    """Copy one state of the database, whoever writes meanwhile."""
    copy = folder / DATABASE
    with closing(sqlite3.connect(f"file:{database}?mode=rw", uri=True)) as source, closing(sqlite3.connect(copy)) as to:
        source.backup(to)
        to.execute("PRAGMA journal_mode=DELETE")  # One file, without others beside it.
    return copy


def _gathered(
    settings: Settings, store: LocalStore, database: Path, *, admin_key: bool
) -> tuple[list[TarFile], list[str]]:
    """Return the files of a backup, and the digests of artifacts that are damaged."""
    files, damaged = [TarFile(DATABASE, database)], list[str]()
    if admin_key and settings.admin_key_file.is_file():
        files.append(TarFile(ADMIN_KEY, settings.admin_key_file.read_bytes()))
    if (revisions := settings.home / REVISIONS).is_file():
        files.append(TarFile(REVISIONS, revisions.read_bytes()))
    for digest in sorted(store.sizes()):
        try:
            folder = store.verified_path(digest)
        except ArtifactError:
            damaged.append(digest)
            continue
        files += [TarFile(f"{ARTIFACTS}/{folder.name}/{path.name}", path) for path in sorted(folder.iterdir())]
    return files, damaged


def _manifest(files: Sequence[TarFile], damaged: list[str], schema: str) -> Manifest:
    secrets = [*(["the admin key"] if any(file.name == ADMIN_KEY for file in files) else []), *_SECRETS]
    made = datetime.now(UTC).isoformat(timespec="seconds")
    saved = {file.name: SavedFile(_sha256(file), file.size) for file in files}
    return Manifest(FORMAT, version("postil"), schema, made, saved, secrets, damaged)


def _sha256(file: TarFile) -> str:
    if isinstance(file.content, Path):
        return sha256_file(file.content)
    return hashlib.sha256(file.content).hexdigest()


def _write(path: Path, files: Sequence[TarFile]) -> str:
    """Write a tar through to the disk and return its SHA-256."""
    digest = hashlib.sha256()
    with path.open("xb") as file:
        for chunk in tar_chunks(files):
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()
