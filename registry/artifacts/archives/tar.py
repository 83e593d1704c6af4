"""tar and tar.gz: written so that the same files make the same bytes, read with suspicion."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from postil.registry.artifacts.archives.safe_extract import Landing, Readable
from postil.registry.errors import ArtifactError

BROKEN = (tarfile.TarError, EOFError, ValueError, RecursionError, gzip.BadGzipFile)
_CHUNK = 1 << 20
# What is written at a time: a reader on a slow line shows by each that it goes on.
_PIECE = 64 << 10
# Names, owners and times: a header that needs more than this is made to fill the memory.
_MAX_HEADER = 64 << 10
# What may be in a tar beside the files: headers and padding.
_AROUND = 32 << 20
_HEADERS = frozenset({
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class TarFile:
    """A file to be written into a tar: a path, or its bytes."""

    name: str
    content: Path | bytes

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size

    def chunks(self) -> Iterator[bytes]:
        """Its bytes, in pieces."""
        if isinstance(self.content, bytes):
            yield self.content
            return
        with self.content.open("rb") as file:
            while chunk := file.read(_PIECE):
                yield chunk


def tar_chunks(files: Iterable[TarFile]) -> Iterator[bytes]:
    """An uncompressed tar, in pieces. Times, owners and modes are left out: the same files make the same bytes."""
    for file in files:
        yield _header(file)
        yield from file.chunks()
        yield b"\0" * (-file.size % tarfile.BLOCKSIZE)
    yield b"\0" * (2 * tarfile.BLOCKSIZE)


def tar_size(files: Iterable[TarFile]) -> int:
    """How many bytes ``tar_chunks`` will give."""
    blocks = sum(len(_header(file)) + file.size + -file.size % tarfile.BLOCKSIZE for file in files)
    return blocks + 2 * tarfile.BLOCKSIZE


def _header(file: TarFile) -> bytes:
    member = tarfile.TarInfo(file.name)
    member.size = file.size
    return member.tobuf(tarfile.PAX_FORMAT)


def unpack_tar(file: IO[bytes], landing: Landing, limit: int, *, compressed: bool) -> None:
    """Unpack a tar, or a gzip of one. Raises ArtifactError, or one of BROKEN if it is not whole."""
    source = _Bounded(gzip.GzipFile(fileobj=file, mode="rb") if compressed else file, limit + _AROUND, limit)
    with tarfile.open(fileobj=source, mode="r|", tarinfo=_Strict) as tar:  # type: ignore[call-overload]
        for member in tar:
            _land(tar, member, landing)
    while source.read(_CHUNK):
        pass  # A gzip's checksum stands at its end.


def _land(tar: tarfile.TarFile, member: tarfile.TarInfo, landing: Landing) -> None:
    if member.issym() or member.islnk():
        raise ArtifactError(f"{member.name!r} is a link; put the file itself in its place")
    if member.isdir():
        landing.folder(member.name)
        return
    if not member.isreg():
        raise ArtifactError(f"{member.name!r} is not a plain file; an adapter is one flat folder of plain files")
    content = tar.extractfile(member)
    assert content is not None, "a regular file has content"
    landing.file(member.name, member.size, content)


class _Bounded:
    """A source that is left where it goes on for longer than an adapter within the limit can."""

    def __init__(self, source: Readable, most: int, limit: int) -> None:
        self._source = source
        self._left = most
        self._limit = limit

    def read(self, size: int) -> bytes:
        """As of a file."""
        chunk = self._source.read(size)
        self._left -= len(chunk)
        if self._left < 0:
            raise ArtifactError(f"the adapter unpacks to more than {self._limit >> 20} MiB; publish only the adapter")
        return chunk


class _Strict(tarfile.TarInfo):
    """Two things that tarfile does not mind: a broken header (the end, to it), and a header without bounds."""

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
