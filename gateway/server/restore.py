"""Brings a backup back into an empty home: whole and verified, or not at all."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Mapping
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import IO

import msgspec
from alembic.script import ScriptDirectory

from postil.gateway.server.backup import (
    ARTIFACTS,
    DATABASE,
    FORMAT,
    MANIFEST,
    BackupError,
    Manifest,
    SavedFile,
    schema_of,
    sqlite_file,
)
from postil.gateway.settings import Settings
from postil.registry.artifacts.local_store import listing_digest
from postil.registry.db.database import alembic_config
from postil.registry.fsutil import fsync, private_files, sha256_file

_NAME = re.compile(
    rf"postil\.db|admin\.key|base/revisions\.json|{ARTIFACTS}/[0-9a-f]{{64}}/[A-Za-z0-9_][\w.-]{{0,254}}"
)
_MAX_MANIFEST = 64 << 20
_CHUNK = 1 << 20


def bring_back(settings: Settings, source: Path, digest: str | None = None) -> Manifest:
    """Restore a backup into the home of these settings, which has to be empty; ``digest`` is its file's SHA-256.

    Raises BackupError; the home is as it was then.
    """
    database = sqlite_file(settings)
    _refuse_full(settings, database)
    try:
        if digest is not None and sha256_file(source) != digest.removeprefix("sha256:"):
            raise BackupError(f"{source} is not the file of that digest; take another copy of it")
        home = settings.home.absolute()
        # A home that is there may be a mount point, or in a folder that only root may write: it is filled from inside.
        place = home if home.exists() else home.parent
        place.mkdir(parents=True, exist_ok=True)
        with private_files(), tempfile.TemporaryDirectory(dir=place, prefix=".postil-restore-") as folder:
            made = Path(folder, "home")
            made.mkdir()
            with source.open("rb") as file:
                manifest = _unpack(file, source, made)
            _check_artifacts(manifest, source)
            _check_database(manifest, made / DATABASE, source)
            _move(made, home, settings.artifact_folder.absolute(), database.absolute())
    except (OSError, tarfile.TarError, sqlite3.Error) as error:
        raise BackupError(f"{source} could not be restored: {error}; nothing was changed") from error
    return manifest


def _refuse_full(settings: Settings, database: Path) -> None:
    for folder in (settings.home, settings.artifact_folder):
        if folder.exists() and any(folder.iterdir()):
            raise BackupError(f"{folder} is not empty, and a backup replaces nothing; name an empty POSTIL_HOME")
    if database.exists():
        raise BackupError(f"{database} is there already, and a backup replaces nothing; name another database")


def _unpack(file: IO[bytes], source: Path, home: Path) -> Manifest:
    """Unpack all files, each compared with its digest in the manifest, which comes first."""
    with tarfile.open(fileobj=file, mode="r|") as tar:
        first = tar.next()
        if first is None or first.name != MANIFEST or not first.isreg() or first.size > _MAX_MANIFEST:
            raise BackupError(f"{source} is not a backup of postil's; name a file that `postil backup` wrote")
        manifest = _read_manifest(_content(tar, first).read(), source)
        _refuse_newer(manifest, source)
        _check_room(manifest, home)
        missing = dict(manifest.files)
        while (member := tar.next()) is not None:
            wanted = missing.pop(member.name, None)
            if wanted is None or not member.isreg() or not _NAME.fullmatch(member.name):
                raise BackupError(f"{source} holds what its manifest does not name; take another copy of it")
            # A sparse member is larger than what stands for it: nothing is written of what the manifest does not say.
            if member.size != wanted.bytes or not _landed(_content(tar, member), home / member.name, wanted):
                raise _damaged(source, member.name)
    if missing or DATABASE not in manifest.files:
        raise _damaged(source, next(iter(missing), DATABASE))
    return manifest


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    assert content is not None, "it is a regular file"
    return content


def _read_manifest(content: bytes, source: Path) -> Manifest:
    try:
        # The format is looked at first: a later one may have other fields.
        if msgspec.json.decode(content, type=_Format).format > FORMAT:
            raise _newer(source)
        return msgspec.json.decode(content, type=Manifest)
    except msgspec.DecodeError as error:
        raise BackupError(f"the manifest of {source} cannot be read; take another copy of it") from error


class _Format(msgspec.Struct):
    format: int
    postil: str = ""


def _refuse_newer(manifest: Manifest, source: Path) -> None:
    known = {step.revision for step in ScriptDirectory.from_config(alembic_config(None)).walk_revisions()}
    if manifest.schema not in known:
        raise _newer(source, manifest.postil)


def _newer(source: Path, made_by: str = "") -> BackupError:
    by = f"postil {made_by}" if made_by else "a newer postil"
    return BackupError(
        f"{source} was made by {by}, whose registry this postil ({version('postil')}) does not know; restore it with"
        " that version or a later one"
    )


def _check_room(manifest: Manifest, home: Path) -> None:
    needed, free = sum(file.bytes for file in manifest.files.values()), shutil.disk_usage(home).free
    if needed > free:
        raise BackupError(f"the backup takes {needed >> 20} MiB and {home.parent.parent} has {free >> 20}; make room")


def _landed(content: IO[bytes], target: Path, wanted: SavedFile) -> bool:
    """Write a file through to the disk; whether it is what the manifest says."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with target.open("xb") as file:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return (digest.hexdigest(), size) == (wanted.sha256, wanted.bytes)


def _damaged(source: Path, name: str) -> BackupError:
    return BackupError(f"{name} in {source} is damaged or missing; take another copy of the backup")


def _check_artifacts(manifest: Manifest, source: Path) -> None:
    """Compare each artifact's files with the digest that its folder is called by."""
    for folder, files in _by_folder(manifest.files).items():
        if listing_digest(files.items()) != f"sha256:{folder}":
            raise _damaged(source, f"{ARTIFACTS}/{folder}")


def _by_folder(files: Mapping[str, SavedFile]) -> Mapping[str, Mapping[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for name, file in files.items():
        if name.startswith(f"{ARTIFACTS}/"):
            folder, _, inner = name.removeprefix(f"{ARTIFACTS}/").partition("/")
            found.setdefault(folder, {})[inner] = file.sha256
    return found


def _check_database(manifest: Manifest, database: Path, source: Path) -> None:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        (found,) = connection.execute("PRAGMA integrity_check").fetchone()
    if found != "ok" or schema_of(database) != manifest.schema:
        raise _damaged(source, DATABASE)


def _move(made: Path, home: Path, artifacts: Path, database: Path) -> None:
    """Put what was unpacked where the settings say, or nothing of it; the database comes last."""
    moved: list[Path] = []
    outside = [
        (path, place)
        for path, place in ((made / "artifacts", artifacts), (made / DATABASE, database))
        if path.exists() and not place.is_relative_to(home)
    ]
    try:
        for path, place in outside:
            _into(path, place, moved)
        if home.exists():
            for path in sorted(made.iterdir(), key=lambda path: path.name == DATABASE):
                _into(path, home / path.name, moved)
            fsync(home)
        else:
            made.rename(home)
            fsync(home.parent)
    except OSError:
        for place in reversed(moved):
            shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
        raise


def _into(path: Path, place: Path, moved: list[Path]) -> None:
    """Move a file or a folder to where nothing is, or an empty folder."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and place.is_dir():
        moved += [place / each.name for each in path.iterdir()]
        for each in path.iterdir():
            shutil.move(each, place / each.name)
        return
    moved.append(place)
    shutil.move(path, place)
