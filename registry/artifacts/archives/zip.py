"""Reads untrusted zips, whose directory can contain anything."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Sequence
from typing import IO

from postil.registry.artifacts.archives.safe_extract import LINK, NO_FILE, Landing
from postil.registry.errors import ArtifactError

# Errors of zipfile for broken archives: it follows whatever offsets and sizes they contain.
BROKEN = (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, OverflowError, zlib.error)
_MAX_LIST = 1 << 20
_SMALLEST_HEADER = 30
_ENCRYPTED = 0x1 | 0x40 | 0x2000


def unpack_zip(file: IO[bytes], landing: Landing) -> None:
    """Unpack a zip. Raises ArtifactError, or one of BROKEN if it is incomplete."""
    with zipfile.ZipFile(_Frugal(file)) as archive:
        members = archive.infolist()
        _check_apart(members)
        for member in members:
            _land(archive, member, landing)


def _land(archive: zipfile.ZipFile, member: zipfile.ZipInfo, landing: Landing) -> None:
    name = member.orig_filename
    if name.endswith(("/", "\\")):
        landing.folder(name)
        return
    if why_not := _why_not(member):
        landing.skip(name, why_not)
        return
    if not landing.wants(name):
        landing.skip(name)
        return
    with archive.open(member) as content:
        landing.file(name, member.file_size, content)


def _why_not(member: zipfile.ZipInfo) -> str | None:
    """Why a member cannot be unpacked, or None."""
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        return LINK if kind == stat.S_IFLNK else NO_FILE
    if member.flag_bits & _ENCRYPTED:
        return "is encrypted; pack the folder without a password"
    # These two compressions are unpacked in chunks of the requested size.
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is not compressed with deflate; pack the folder with a plain zip"
    return None


def _check_apart(members: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse overlapping members, with which a few kilobytes can unpack to any size."""
    end = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        if member.header_offset < end:
            raise ArtifactError(f"{member.orig_filename!r} overlaps another file; pack the folder again")
        end = member.header_offset + _SMALLEST_HEADER + member.compress_size


class _Frugal:
    """A file that refuses reads larger than the directory of a small adapter needs."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """Read like a file."""
        if size > _MAX_LIST:
            raise ArtifactError("the zip lists far more files than an adapter has; publish only the adapter itself")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Seek like a file."""
        try:
            return self._file.seek(offset, whence)
        except OSError as error:
            raise zipfile.BadZipFile("it points outside of itself") from error

    def tell(self) -> int:
        """Tell like a file."""
        return self._file.tell()

    def seekable(self) -> bool:
        """Return True."""
        return True
