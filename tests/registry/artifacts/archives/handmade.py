"""Archives for tests, made by hand where no tool would make them so."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Iterable, Mapping

Files = Mapping[str, bytes]


def anything(name: str) -> bool:
    """Whether a file is wanted: all are, so that a test may call them as it likes."""
    return True


def as_tar(files: Files, *, folders: Iterable[str] = (), form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar of these folders and files."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=form) as tar:
        for name in folders:
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE
            tar.addfile(info)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return made.getvalue()


def as_tar_gz(files: Files, *, folders: Iterable[str] = ()) -> bytes:
    """The same, compressed."""
    return gzip.compress(as_tar(files, folders=folders), mtime=0)


def as_zip(files: Files, *, folders: Iterable[str] = (), method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these folders and files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name in folders:
            archive.writestr(f"{name}/", b"")
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return made.getvalue()


KINDS = {"tar": as_tar, "tar.gz": as_tar_gz, "zip": as_zip}
