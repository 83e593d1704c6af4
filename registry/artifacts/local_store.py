"""The files of adapter versions: immutable, addressed by a digest over their names and contents.

Several processes may share one folder. Whoever is making an artifact holds a lock on a file beside the folder it works
in; the kernel lets go of it when that process ends, however it ends, and what nobody holds is rubbish.
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
    """``sha256:`` over the sorted (file name, SHA-256 of its bytes) of a flat folder."""
    return listing_digest((path.name, sha256_file(path)) for path in folder.iterdir())


def listing_digest(listing: Iterable[tuple[str, str]]) -> str:
    """``sha256:`` over (file name, SHA-256 in hex), in any order."""
    return "sha256:" + hashlib.sha256(json.dumps(sorted(listing)).encode()).hexdigest()


class LocalStore:
    """A folder of artifacts: ``<root>/sha256/<hex>/``, and ``<root>/incoming/`` for what is not one yet."""

    def __init__(self, root: Path) -> None:
        self._kept = root / "sha256"
        self._incoming = root / "incoming"
        self._keeping = root / "keeping.lock"
        self._collecting = root / "collecting.lock"

    @classmethod
    def open(cls, root: Path) -> LocalStore:
        """The store in a folder, which is made if there is none."""
        store = cls(root)
        for folder in (store._kept, store._incoming):
            folder.mkdir(parents=True, exist_ok=True)
        return store

    def clear_incoming(self) -> None:
        """Drop what interrupted publishes left, and nothing that anybody is at work on."""
        for folder in {path.with_name(path.name.removesuffix(_LOCK)) for path in self._incoming.iterdir()}:
            # The lock is there before the folder and after it: a folder without one is rubbish too.
            with suppress(BlockingIOError), _held(_lock_of(folder), fcntl.LOCK_EX | fcntl.LOCK_NB):
                shutil.rmtree(folder, ignore_errors=True)
                _lock_of(folder).unlink(missing_ok=True)

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """An empty folder to unpack into; whatever happens, nothing of it is left after the block."""
        folder, descriptor = self._take()
        try:
            folder.mkdir()
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            _lock_of(folder).unlink(missing_ok=True)
            os.close(descriptor)

    def put(self, folder: Path) -> str:
        """Keep the files of ``folder`` (from ``incoming``) and return their digest. Twice the same is once."""
        digest = folder_digest(folder)
        target = self._path(digest)
        if _holds(target, digest):
            return digest
        fsync_tree(folder)
        # One at a time: else what looks damaged to one may be what another has just put there.
        with _held(self._keeping):
            if not _holds(target, digest):
                # A damaged copy is replaced: the digest says what the files have to be.
                shutil.rmtree(target, ignore_errors=True)
                folder.rename(target)
                fsync(self._kept)
        return digest

    def report(self, digest: str) -> dict[str, Any]:
        """What an adapter's training reported (``training.json``); empty where there is no such report."""
        try:
            found = json.loads((self._path(digest) / "training.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def verified_path(self, digest: str) -> Path:
        """The folder of an artifact, its files checked against the digest. Raises ArtifactError."""
        folder = self._path(digest)
        if not folder.is_dir():
            raise ArtifactError(f"artifact {digest[:19]} is missing from the store; publish it again")
        if folder_digest(folder) != digest:
            raise ArtifactError(f"artifact {digest[:19]} is damaged on disk; publish it again")
        return folder

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Around ``put`` and the transaction that names what was added: nothing is collected meanwhile."""
        with _held(self._collecting, fcntl.LOCK_SH):
            yield

    @contextmanager
    def collecting(self) -> Iterator[Path]:
        """While nobody is between adding files and naming them; yields the folder to ``discard`` into.

        What lies in it is deleted after the block, when others may go on; a crash leaves it to ``clear_incoming``.
        """
        with self.incoming() as trash, _held(self._collecting):
            yield trash

    def sizes(self) -> dict[str, int]:
        """The digest of every artifact, whole or damaged, with its bytes on the disk."""
        folders = (path for path in self._kept.iterdir() if _HEX.fullmatch(path.name) and path.is_dir())
        return {f"sha256:{folder.name}": sum(file.stat().st_size for file in folder.iterdir()) for folder in folders}

    def discard(self, digest: str, trash: Path) -> None:
        """Take an artifact out of the store, whole: into a folder of ``collecting``."""
        folder = self._path(digest)
        folder.rename(trash / folder.name)
        fsync(self._kept)

    def _path(self, digest: str) -> Path:
        return self._kept / digest.removeprefix("sha256:")

    def _take(self) -> tuple[Path, int]:
        """A name for a folder, and the open file whose lock says that somebody is at work on it."""
        while True:
            folder = self._incoming / uuid.uuid4().hex
            descriptor = _locked(_lock_of(folder))
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), _lock_of(folder).stat()):
                    return folder, descriptor
            # Between making the file and locking it, ``clear_incoming`` took it for rubbish.
            os.close(descriptor)


def _lock_of(folder: Path) -> Path:
    return folder.with_name(folder.name + _LOCK)


def _locked(path: Path, how: int = fcntl.LOCK_EX) -> int:
    """Open a file and hold it until it is closed. Raises BlockingIOError where ``how`` says not to wait."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, how)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def _held(path: Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    descriptor = _locked(path, how)
    try:
        yield
    finally:
        os.close(descriptor)


def _holds(folder: Path, digest: str) -> bool:
    return folder.is_dir() and folder_digest(folder) == digest
