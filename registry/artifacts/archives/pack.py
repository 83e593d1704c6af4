"""Packs an adapter folder for upload, and unpacks untrusted archives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO

from postil.registry.artifacts.archives import tar as tars
from postil.registry.artifacts.archives import zip as zips
from postil.registry.artifacts.archives.safe_extract import Landing
from postil.registry.artifacts.archives.tar import TarFile, tar_chunks
from postil.registry.defaults import SIGNATURE
from postil.registry.errors import ArtifactError

_GZIP = b"\x1f\x8b"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_TAR_MARK, _TAR_MARK_AT = b"ustar", 257


def pack(folder: Path, into: IO[bytes], signature: bytes | None = None) -> None:
    """Write an adapter folder as an uncompressed tar, with this ``signature`` of it. Raises ArtifactError.

    Times, owners and modes are left out, so equal files make an equal tar.
    """
    if not folder.is_dir():
        raise ArtifactError(f"{folder} is not a folder; give the folder that holds adapter_config.json")
    files = _packable(folder)
    if signature is not None:
        files = [*(file for file in files if file.name != SIGNATURE), TarFile(SIGNATURE, signature)]
    for chunk in tar_chunks(files):
        into.write(chunk)


def _packable(folder: Path) -> Sequence[TarFile]:
    found = sorted(folder.iterdir())
    for path in found:
        if path.is_symlink():
            raise ArtifactError(f"{path.name} is a symbolic link; put the file itself in its place")
        if not path.is_file():
            raise ArtifactError(f"{path.name} is not a file; an adapter is one flat folder, so move or remove it")
    return [TarFile(path.name, path) for path in found]


def is_archive(file: IO[bytes]) -> bool:
    """Return whether a file starts like a tar, a tar.gz or a zip."""
    head = file.read(_TAR_MARK_AT + len(_TAR_MARK))
    file.seek(0)
    return head.startswith((_GZIP, *_ZIP)) or head[_TAR_MARK_AT:] == _TAR_MARK


def unpack(archive: IO[bytes], folder: Path, limit: int) -> None:
    """Unpack a tar, tar.gz or zip, recognised by its first bytes, with at most ``limit`` bytes of content.

    ``folder`` is empty and ``archive`` is seekable. The files must be regular ones, at the top or all in one folder.
    Links, devices, names that lead outside, and broken archives raise ArtifactError.
    """
    head = archive.read(len(_ZIP[0]))
    archive.seek(0)
    landing = Landing(folder, limit)
    try:
        if head in _ZIP:
            zips.unpack_zip(archive, landing)
        else:
            tars.unpack_tar(archive, landing, limit, compressed=head.startswith(_GZIP))
    except (*tars.BROKEN, *zips.BROKEN) as error:
        raise ArtifactError(f"the upload is not a whole tar, tar.gz or zip file ({error}); send it again") from error
