"""Artifacts on the local disk: immutable, addressed by a digest over their names and contents.

Several processes may share one folder. A process that creates an artifact locks a file next to its working folder. The
kernel releases the lock when the process ends, however it ends; folders without a lock are leftovers.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from postil.registry.errors import ArtifactError
from postil.registry.fsutil import fsync, fsync_tree, sha256_file

_LOCK = ".lock"
_HEX = re.compile("[0-9a-f]{64}")


def folder_digest(folder: Path) -> str:
    """Return ``sha256:`` over the sorted (file name, SHA-256 of its bytes) of a flat folder."""
    return listing_digest((path.name, sha256_file(path)) for path in folder.iterdir())


def listing_digest(listing: Iterable[tuple[str, str]]) -> str:
    """Return ``sha256:`` over (file name, SHA-256 in hex), in any order."""
    return "sha256:" + hashlib.sha256(json.dumps(sorted(listing)).encode()).hexdigest()


class LocalStore:
    """A folder of artifacts in ``<root>/sha256/<hex>/``, with unfinished ones in ``<root>/incoming/``.

    Only its owner may read it; ``shared`` lets the folder's group read and write it too.
    """

    def __init__(self, root: Path, *, shared: bool = False) -> None:
        self._mode = 0o770 if shared else 0o700
        self._kept = root / "sha256"
        self._incoming = root / "incoming"
        self._keeping = root / "keeping.lock"
        self._collecting = root / "collecting.lock"

    @classmethod
    def open(cls, root: Path, *, shared: bool = False) -> LocalStore:
        """Open the store in a folder; create the folder if it is missing."""
        store = cls(root, shared=shared)
        root.parent.mkdir(parents=True, exist_ok=True)
        for folder in (root, store._kept, store._incoming):
            folder.mkdir(mode=store._mode, exist_ok=True)
        return store

    def clear_incoming(self) -> None:
        """Delete what interrupted publishes left, but nothing that another process is working on."""
        for folder in {path.with_name(path.name.removesuffix(_LOCK)) for path in self._incoming.iterdir()}:
            # The lock exists before the folder and after it, so a folder without a lock is a leftover.
            with suppress(BlockingIOError), self._held(_lock_of(folder), fcntl.LOCK_EX | fcntl.LOCK_NB):
                shutil.rmtree(folder, ignore_errors=True)
                _lock_of(folder).unlink(missing_ok=True)

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """Yield an empty folder to unpack into; it is deleted after the block in any case."""
        folder, descriptor = self._take()
        try:
            folder.mkdir(mode=self._mode)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            _lock_of(folder).unlink(missing_ok=True)
            os.close(descriptor)

    def put(self, folder: Path) -> str:
        """Store the files of ``folder`` (from ``incoming``) and return their digest; a second time changes nothing."""
        digest = folder_digest(folder)
        target = self._path(digest)
        if _holds(target, digest):
            return digest
        self._restrict(folder)
        fsync_tree(folder)
        # One process at a time; otherwise one could mistake another's unfinished copy for a damaged one.
        with self._held(self._keeping):
            if not _holds(target, digest):
                # Replace a damaged copy: the digest defines its content.
                shutil.rmtree(target, ignore_errors=True)
                folder.rename(target)
                fsync(self._kept)
        return digest

    def report(self, digest: str) -> dict[str, Any]:
        """Return the adapter's training report (``training.json``); empty if there is none."""
        try:
            found = json.loads((self._path(digest) / "training.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def verified_path(self, digest: str) -> Path:
        """Check an artifact's files against its digest and return its folder. Raises ArtifactError."""
        folder = self._path(digest)
        if not folder.is_dir():
            raise ArtifactError(f"artifact {digest[:19]} is missing from the store; publish it again")
        if not _holds(folder, digest):
            raise ArtifactError(f"artifact {digest[:19]} is damaged on disk; publish it again")
        return folder

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Hold off garbage collection around ``put`` and the transaction that references the artifact."""
        with self._held(self._collecting, fcntl.LOCK_SH):
            yield

    @contextmanager
    def collecting(self) -> Iterator[Path]:
        """Wait until no process is between ``put`` and its transaction; yield the folder to ``discard`` into.

        The folder is deleted after the block, without blocking others; after a crash ``clear_incoming`` deletes it.
        """
        with self.incoming() as trash, self._held(self._collecting):
            yield trash

    def sizes(self) -> dict[str, int]:
        """Return the digest of every artifact, intact or damaged, with its bytes on disk."""
        folders = (path for path in self._kept.iterdir() if _HEX.fullmatch(path.name) and path.is_dir())
        return {f"sha256:{folder.name}": sum(file.stat().st_size for file in folder.iterdir()) for folder in folders}

    def discard(self, digest: str, trash: Path) -> None:
        """Move an artifact out of the store, into a folder of ``collecting``."""
        folder = self._path(digest)
        folder.rename(trash / folder.name)
        fsync(self._kept)

    def _path(self, digest: str) -> Path:
        return self._kept / digest.removeprefix("sha256:")

    def _take(self) -> tuple[Path, int]:
        """Return a name for a folder, and the open file whose lock marks the folder as in use."""
        while True:
            folder = self._incoming / uuid.uuid4().hex
            descriptor = self._locked(_lock_of(folder))
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), _lock_of(folder).stat()):
                    return folder, descriptor
            # ``clear_incoming`` took the file for a leftover before it was locked.
            os.close(descriptor)

    def _restrict(self, folder: Path) -> None:
        """Take from others what an archive or a wide umask gave them."""
        folder.chmod(self._mode)
        for path in folder.iterdir():
            path.chmod(self._mode & 0o666)

    def _locked(self, path: Path, how: int = fcntl.LOCK_EX) -> int:
        """Open a file and lock it until it is closed. Raises BlockingIOError if ``how`` says not to wait."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, self._mode & 0o666)
        try:
            fcntl.flock(descriptor, how)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    @contextmanager
    def _held(self, path: Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
        descriptor = self._locked(path, how)
        try:
            yield
        finally:
            os.close(descriptor)


def _lock_of(folder: Path) -> Path:
    return folder.with_name(folder.name + _LOCK)


def _holds(folder: Path, digest: str) -> bool:
    try:
        return folder.is_dir() and folder_digest(folder) == digest
    except FileNotFoundError:  # Somebody is replacing a damaged copy, file by file.
        return False
