"""The files of adapter versions: immutable, addressed by a digest over their names and contents."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from postil.registry.errors import ArtifactError
from postil.registry.files import fsync, fsync_tree, sha256_file


def folder_digest(folder: Path) -> str:
    """``sha256:`` over the sorted (file name, SHA-256 of its bytes) of a flat folder."""
    listing = sorted((path.name, sha256_file(path)) for path in folder.iterdir())
    return "sha256:" + hashlib.sha256(json.dumps(listing).encode()).hexdigest()


class ArtifactStore:
    """A folder of artifacts: ``<root>/sha256/<hex>/``, and ``<root>/incoming/`` for what is not one yet."""

    def __init__(self, root: Path) -> None:
        self._kept = root / "sha256"
        self._incoming = root / "incoming"
        self._kept.mkdir(parents=True, exist_ok=True)

    def clear_incoming(self) -> None:
        """Drop what an interrupted publish left. Call it before the first publish, never during one."""
        shutil.rmtree(self._incoming, ignore_errors=True)

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """An empty folder to unpack into; whatever happens, nothing of it is left after the block."""
        folder = self._incoming / uuid.uuid4().hex
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def add(self, folder: Path) -> str:
        """Keep the files of ``folder`` (from ``incoming``) and return their digest. Twice the same is once."""
        digest = folder_digest(folder)
        target = self._path(digest)
        if _holds(target, digest):
            return digest
        # A damaged copy is replaced: the digest says what the files have to be.
        shutil.rmtree(target, ignore_errors=True)
        fsync_tree(folder)
        try:
            folder.rename(target)
        except OSError:
            if not _holds(target, digest):  # Somebody else may have kept the same files in the meantime.
                raise
        fsync(self._kept)
        return digest

    def verified(self, digest: str) -> Path:
        """The folder of an artifact, its files checked against the digest. Raises ArtifactError."""
        folder = self._path(digest)
        if not folder.is_dir():
            raise ArtifactError(f"artifact {digest[:19]} is missing from the store; publish it again")
        if folder_digest(folder) != digest:
            raise ArtifactError(f"artifact {digest[:19]} is damaged on disk; publish it again")
        return folder

    def _path(self, digest: str) -> Path:
        return self._kept / digest.removeprefix("sha256:")


def _holds(folder: Path, digest: str) -> bool:
    return folder.is_dir() and folder_digest(folder) == digest
