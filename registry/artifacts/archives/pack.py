"""Packs the files of an adapter for upload, and unpacks untrusted archives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from postil.registry.artifacts.archives import tar as tars
from postil.registry.artifacts.archives import zip as zips
from postil.registry.artifacts.archives.safe_extract import Landing
from postil.registry.artifacts.archives.tar import TarFile, tar_chunks
from postil.registry.artifacts.contents import LOOKED_AT, POLICY
from postil.registry.defaults import SIGNATURE
from postil.registry.errors import ArtifactError
from postil.registry.preflight.preflight import CONFIG

_LOOKED_AT = LOOKED_AT.__contains__
_GZIP = b"\x1f\x8b"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_TAR_MARK, _TAR_MARK_AT = b"ustar", 257


def pack(
    folder: Path, into: IO[bytes], signature: bytes | None = None, *, wanted: Callable[[str], bool] = _LOOKED_AT
) -> list[str]:
    """Write the wanted files of a folder as an uncompressed tar, with this ``signature`` of them.

    Times, owners and modes are left out, so equal files make an equal tar. Returns the paths of all that is there, one
    level deep. Raises ArtifactError.
    """
    if not folder.is_dir():
        raise ArtifactError(f"{folder} is not a folder; give the folder that holds adapter_config.json")
    files = [TarFile(path.name, path) for path in _packable(folder, wanted)]
    if signature is not None:
        files = [*(file for file in files if file.name != SIGNATURE), TarFile(SIGNATURE, signature)]
    for chunk in tar_chunks(files):
        into.write(chunk)
    return _names(folder)


def _packable(folder: Path, wanted: Callable[[str], bool]) -> Sequence[Path]:
    found = sorted(path for path in folder.iterdir() if wanted(path.name))
    for path in found:
        if path.is_symlink() and not _is_of_cache(path, folder):
            raise ArtifactError(f"{path.name} is a symbolic link; put the file itself in its place")
        if not path.is_file():
            raise ArtifactError(f"{path.name} is not a file; an adapter is one flat folder, so move or remove it")
    return found


def _is_of_cache(link: Path, folder: Path) -> bool:
    """Whether a link is one of the hub's cache, where a snapshot's files are links to those of its repository.

    Another link is not followed: what it leads to may be a secret of whoever publishes a stranger's folder.
    """
    snapshots = next((parent for parent in folder.resolve().parents if parent.name == "snapshots"), None)
    return snapshots is not None and link.resolve().parent == snapshots.parent / "blobs"


def _names(folder: Path) -> list[str]:
    """The files of a folder and, so that it can be said where an adapter is, of the folders in it."""
    found = []
    for path in sorted(folder.iterdir()):
        found += [f"{path.name}/{each}" for each in _inside(path)] or [f"{path.name}/" if path.is_dir() else path.name]
    return found


def _inside(path: Path) -> list[str]:
    """What is in a folder, if it may be read: it is only to be told."""
    if path.is_symlink() or not path.is_dir():
        return []
    try:
        return sorted(each.name for each in path.iterdir())
    except OSError:
        return []


def is_archive(file: IO[bytes]) -> bool:
    """Return whether a file starts like a tar, a tar.gz or a zip."""
    head = file.read(_TAR_MARK_AT + len(_TAR_MARK))
    file.seek(0)
    return head.startswith((_GZIP, *_ZIP)) or head[_TAR_MARK_AT:] == _TAR_MARK


def unpack(archive: IO[bytes], folder: Path, limit: int, *, wanted: Callable[[str], bool] = _LOOKED_AT) -> list[str]:
    """Unpack the wanted files of a tar, tar.gz or zip, recognised by its first bytes, with at most ``limit`` bytes.

    ``folder`` is empty and ``archive`` is seekable. The files are those of the highest folder in it that holds
    an adapter; the result is all paths in that folder. Links and devices in the place of wanted files, names that lead
    outside, and broken archives raise ArtifactError.
    """
    head = archive.read(len(_ZIP[0]))
    archive.seek(0)
    landing = Landing(folder, limit, wanted, CONFIG, together=(POLICY, SIGNATURE))
    try:
        if head in _ZIP:
            zips.unpack_zip(archive, landing)
        else:
            tars.unpack_tar(archive, landing, limit, compressed=head.startswith(_GZIP))
        return landing.finish()
    except (*tars.BROKEN, *zips.BROKEN) as error:
        raise ArtifactError(f"the upload is not a whole tar, tar.gz or zip file ({error}); send it again") from error
    finally:
        landing.clear()
