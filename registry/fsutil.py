"""Small acts on files: hashing, writing through to the disk, telling a pointer from a file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LFS_MARK = b"version https://git-lfs.github.com/spec/"


def is_lfs_pointer(path: Path) -> bool:
    """Whether a file is a Git LFS pointer: the few lines that a clone holds until ``git lfs pull`` fetches it."""
    with path.open("rb") as file:
        return file.read(len(_LFS_MARK)) == _LFS_MARK


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fsync_tree(folder: Path) -> None:
    """Make sure that a folder and the files in it are on the disk."""
    for path in [*folder.iterdir(), folder]:
        fsync(path)


def fsync(path: Path) -> None:
    """Make sure that one file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def private_umask(*, shared: bool = False) -> int:
    """Have this process and its children create files for their user alone, or its group too; return the old umask."""
    return os.umask(0o007 if shared else 0o077)


@contextmanager
def private_files() -> Iterator[None]:
    """Create files for this user alone, up to the end of the block."""
    before = private_umask()
    try:
        yield
    finally:
        os.umask(before)


def write_private(path: Path, text: str) -> None:
    """Write a secret: readable by its owner only from the first byte on, and whole or not there at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
