"""Extracts archives safely: into one flat folder of few regular files, whatever the archive contains."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from postil.registry.errors import ArtifactError

MAX_FILES = 64
_MAX_ENTRIES = 4 * MAX_FILES
_MAX_NAME = 255
_CHUNK = 1 << 20
_MAC_FOLDER = "__MACOSX"


class Readable(Protocol):
    """The only method that an archive member needs."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes; empty at the end."""


class Landing:
    """An empty ``folder`` that accepts at most ``limit`` bytes.

    All files are either at the top of the archive or in a single top folder, whose name is dropped, because people pack
    the folder itself. Files that macOS adds to archives are skipped.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = self._left = limit
        self._entries = self._files = 0
        self._top: str | None = None

    def folder(self, name: str) -> None:
        """Accept a folder entry. Raises ArtifactError unless it is the single top folder."""
        self._count()
        name = name.removesuffix("/")
        if name == ".":
            return
        name = name.removeprefix("./")
        if name == _MAC_FOLDER or name.startswith(f"{_MAC_FOLDER}/"):
            return
        _check(name, name.split("/"))
        if "/" in name or self._top not in (None, name):
            raise ArtifactError(f"{name!r} is not a plain file; an adapter is one flat folder of plain files")
        self._top = name

    def file(self, name: str, stated: int, content: Readable) -> None:
        """Write a file of ``stated`` bytes; its real size is checked while writing. Raises ArtifactError."""
        self._count()
        name = name.removeprefix("./")
        parts = name.split("/")
        if _is_of_macos(parts):
            return
        _check(name, parts)
        self._files += 1
        if stated > self._left or self._files > MAX_FILES:
            raise self._too_large()
        self._write(self._place(name, parts), content)

    def _count(self) -> None:
        self._entries += 1
        if self._entries > _MAX_ENTRIES:
            raise self._too_large()

    def _place(self, name: str, parts: list[str]) -> Path:
        top = parts[0] if len(parts) == 2 else ""
        if len(parts) > 2 or self._top not in (None, top):
            raise ArtifactError(f"{name!r} is in another folder than the rest; an adapter is one flat folder")
        self._top = top
        path = self._folder / parts[-1]
        if path.exists():
            raise ArtifactError(f"{parts[-1]!r} occurs twice; pack the folder again")
        return path

    def _write(self, path: Path, content: Readable) -> None:
        with path.open("xb") as target:
            while chunk := content.read(_CHUNK):
                self._left -= len(chunk)
                if self._left < 0:
                    raise self._too_large()
                target.write(chunk)

    def _too_large(self) -> ArtifactError:
        return ArtifactError(
            f"the adapter is larger than {self._limit >> 20} MiB or {MAX_FILES} files; publish only the adapter itself"
        )


def _is_of_macos(parts: list[str]) -> bool:
    return parts[0] == _MAC_FOLDER or parts[-1] == ".DS_Store" or parts[-1].startswith("._")


def _check(name: str, parts: list[str]) -> None:
    if any(len(os.fsencode(part)) > _MAX_NAME for part in parts):
        raise ArtifactError(f"{name[:40]!r}... is too long a name; rename the file")
    if "\\" in name or "\0" in name or any(not part or part.startswith(".") for part in parts):
        raise ArtifactError(f"{name!r} leads out of the folder or is hidden; an adapter is one flat folder")
