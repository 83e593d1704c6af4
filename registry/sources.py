"""Adapters on their way in: a folder is packed into a tar by whoever publishes, and unpacked here with suspicion."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path
from typing import IO

from postil.registry.errors import ArtifactError

_CHUNK = 1 << 20
MAX_FILES = 64
_MAX_NAME = 255


class _Strict(tarfile.TarInfo):
    """tarfile takes a broken header for the end of the archive; here only the end's own mark is the end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Strict:
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from error


def pack(folder: Path, into: IO[bytes]) -> None:
    """Write the files of an adapter folder as an uncompressed tar. Raises ArtifactError.

    Times, owners and modes are left out: the same files always make the same tar.
    """
    if not folder.is_dir():
        raise ArtifactError(f"{folder} is not a folder; give the folder that holds adapter_config.json")
    with tarfile.open(fileobj=into, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(folder.iterdir()):
            _check_packable(path)
            member = tarfile.TarInfo(path.name)
            member.size = path.stat().st_size
            with path.open("rb") as file:
                tar.addfile(member, file)


def _check_packable(path: Path) -> None:
    if path.is_symlink():
        raise ArtifactError(f"{path.name} is a symbolic link; put the file itself in its place")
    if not path.is_file():
        raise ArtifactError(f"{path.name} is not a file; an adapter is one flat folder, so move or remove it")


def unpack(tar_file: IO[bytes], folder: Path, limit: int) -> None:
    """Unpack a tar of at most ``limit`` bytes of content into an empty ``folder``.

    Only plain files at the top are taken; links, folders, devices and names that lead elsewhere are refused
    with ArtifactError, as is anything that is not a tar.
    """
    try:
        with tarfile.open(fileobj=tar_file, mode="r|", tarinfo=_Strict) as tar:
            _unpack_members(tar, folder, limit)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise ArtifactError(f"the upload is not a whole tar file ({error}); send it again") from error


def _unpack_members(tar: tarfile.TarFile, folder: Path, limit: int) -> None:
    left, count = limit, 0
    for member in tar:
        if member.isdir() and member.name in (".", "./"):
            continue
        name = member.name.removeprefix("./")
        _check_member(member, name)
        left, count = left - member.size, count + 1
        if left < 0 or count > MAX_FILES:
            raise ArtifactError(
                f"the adapter is larger than {limit >> 20} MiB or {MAX_FILES} files; publish only the adapter itself"
            )
        source = tar.extractfile(member)
        assert source is not None, "a regular file has content"
        if (folder / name).exists():
            raise ArtifactError(f"{name!r} is there twice; pack the folder again")
        with (folder / name).open("xb") as target:
            while chunk := source.read(_CHUNK):
                target.write(chunk)


def _check_member(member: tarfile.TarInfo, name: str) -> None:
    if member.issym() or member.islnk():
        raise ArtifactError(f"{name!r} is a link; put the file itself in its place")
    if not member.isreg():
        raise ArtifactError(f"{name!r} is not a plain file; an adapter is one flat folder of plain files")
    if len(os.fsencode(name)) > _MAX_NAME:
        raise ArtifactError(f"{name[:40]!r}... is too long a name; rename the file")
    if not name or name.startswith(".") or "/" in name or "\\" in name or "\0" in name:
        raise ArtifactError(f"{name!r} leads out of the folder or is hidden; an adapter is one flat folder")
