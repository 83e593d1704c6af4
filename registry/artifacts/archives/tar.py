"""Reads untrusted tar and tar.gz, and writes tars whose bytes depend only on the files."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from postil.registry.artifacts.archives.safe_extract import LINK, NO_FILE, Landing, Readable
from postil.registry.errors import ArtifactError

BROKEN = (tarfile.TarError, EOFError, ValueError, RecursionError, gzip.BadGzipFile)
_CHUNK = 1 << 20
# Bytes per write: each one shows that a slow reader makes progress.
_PIECE = 64 << 10
# Headers hold names, owners and times; a larger one is an attempt to fill memory.
_MAX_HEADER = 64 << 10
# Bytes of headers and padding that a tar may have in addition to its files.
_AROUND = 32 << 20
_HEADERS = frozenset({
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class TarFile:
    """A file for a tar: a path, or its bytes."""

    name: str
    content: Path | bytes

    @property
    def size(self) -> int:
        """The size in bytes."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size

    def chunks(self) -> Iterator[bytes]:
        """Yield the content in chunks."""
        if isinstance(self.content, bytes):
            yield self.content
            return
        with self.content.open("rb") as file:
            while chunk := file.read(_PIECE):
                yield chunk


def tar_chunks(files: Iterable[TarFile]) -> Iterator[bytes]:
    """Yield an uncompressed tar in chunks. Times, owners and modes are left out, so equal files make equal bytes."""
    for file in files:
        yield _header(file)
        yield from file.chunks()
        yield b"\0" * (-file.size % tarfile.BLOCKSIZE)
    yield b"\0" * (2 * tarfile.BLOCKSIZE)


def tar_size(files: Iterable[TarFile]) -> int:
    """Return the number of bytes that ``tar_chunks`` yields."""
    blocks = sum(len(_header(file)) + file.size + -file.size % tarfile.BLOCKSIZE for file in files)
    return blocks + 2 * tarfile.BLOCKSIZE


def _header(file: TarFile) -> bytes:
    member = tarfile.TarInfo(file.name)
    member.size = file.size
    return member.tobuf(tarfile.PAX_FORMAT)


def unpack_tar(file: IO[bytes], landing: Landing, limit: int, *, compressed: bool) -> None:
    """Unpack a tar or a gzipped one. Raises ArtifactError, or one of BROKEN if it is incomplete."""
    source = _Bounded(gzip.GzipFile(fileobj=file, mode="rb") if compressed else file, limit + _AROUND, limit)
    with tarfile.open(fileobj=source, mode="r|", tarinfo=_Strict) as tar:  # type: ignore[call-overload]
        for member in tar:
            _land(tar, member, landing)
    while source.read(_CHUNK):
        pass  # Read to the end, where gzip has its checksum.


def _land(tar: tarfile.TarFile, member: tarfile.TarInfo, landing: Landing) -> None:
    if member.issym() or member.islnk():
        landing.skip(member.name, LINK)
        return
    if member.isdir():
        landing.folder(member.name)
        return
    if not member.isreg():
        landing.skip(member.name, NO_FILE)
        return
    if not landing.wants(member.name):
        landing.skip(member.name)
        return
    content = tar.extractfile(member)
    assert content is not None, "a regular file has content"
    landing.file(member.name, member.size, content)


class _Bounded:
    """A stream that raises ArtifactError when it exceeds what an adapter within the limit can need."""

    def __init__(self, source: Readable, most: int, limit: int) -> None:
        self._source = source
        self._left = most
        self._limit = limit

    def read(self, size: int) -> bytes:
        """Read like a file."""
        chunk = self._source.read(size)
        self._left -= len(chunk)
        if self._left < 0:
            raise ArtifactError(f"the adapter unpacks to more than {self._limit >> 20} MiB; publish only the adapter")
        return chunk


class _Strict(tarfile.TarInfo):
    """Refuses two things that tarfile accepts: a broken header (read as the end) and a header of unlimited size."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Strict:
        try:
            found = super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from error
        if found.type == tarfile.GNUTYPE_SPARSE:
            raise ArtifactError(f"{found.name!r} is a sparse file; pack the folder without --sparse")
        if found.type in _HEADERS and not 0 <= found.size <= _MAX_HEADER:
            raise tarfile.ReadError("a header has no bounds")
        return found
