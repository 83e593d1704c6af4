"""Extracts archives safely: the few files that are wanted, of one folder in it, whatever the archive contains."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from postil.registry.errors import ArtifactError

MAX_FILES = 64
# Of a clone or a training run most are passed over; of so many the names are kept, to say what was left out.
_MAX_ENTRIES = 4096
_MOST_NAMES = 1000
_MAX_NAME = 255
_SHOWN = 5
_CHUNK = 1 << 20
# Why a wanted file is refused.
LINK = "is a link; put the file itself in its place"
NO_FILE = "is not a plain file; an adapter is one flat folder of plain files"
_MAC_FOLDER = "__MACOSX"


class Readable(Protocol):
    """The only method that an archive member needs."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes; empty at the end."""


class Landing:
    """An empty ``folder`` that accepts at most ``limit`` bytes of the files whose names are ``wanted``.

    They come from one folder in the archive: people pack the folder itself, a clone or all that a training run left.
    That is the highest one that has ``mark`` in it, else the highest one with a wanted file. The files ``together``
    have to lie in it, if they are there at all.
    """

    def __init__(
        self, folder: Path, limit: int, wanted: Callable[[str], bool], mark: str, together: Sequence[str] = ()
    ) -> None:
        self._folder = folder
        self._limit = self._left = limit
        self._wanted, self._mark, self._together = wanted, mark, together
        self._entries = self._files = 0
        # Where the wanted files of each folder in the archive are, until it is known which one is meant.
        self._landed: dict[tuple[str, ...], Path] = {}
        self._names: list[tuple[str, ...]] = []
        self._marked: set[tuple[str, ...]] = set()

    def folder(self, name: str) -> None:
        """Pass over a folder entry. Raises ArtifactError if its name leads out."""
        self._count()
        parts = _parts(name)
        if parts:
            _check(name, parts)

    def wants(self, name: str) -> bool:
        """Whether a file is to be unpacked, by its path: nothing that is hidden, and nothing that leads out."""
        parts = _parts(name)
        hidden = any(not part or part.startswith(".") for part in parts)
        if not parts or hidden or not self._wanted(parts[-1]) or parts[0] == _MAC_FOLDER:
            return False
        # Below an adapter are the checkpoints that it was made from.
        return not any(len(top) < len(parts) - 1 and tuple(parts[: len(top)]) == top for top in self._marked)

    def skip(self, name: str, why_not: str | None = None) -> None:
        """Pass over an entry. Raises ArtifactError if its name leads out, or if it is wanted and not possible."""
        self._count()
        if why_not is not None and self.wants(name):
            raise ArtifactError(f"{name!r} {why_not}")
        self._note(name)

    def file(self, name: str, stated: int, content: Readable) -> None:
        """Write a wanted file of ``stated`` bytes; its real size is checked while writing. Raises ArtifactError."""
        self._count()
        parts = self._note(name)
        self._files += 1
        if stated > self._left or self._files > MAX_FILES:
            raise self._too_large()
        self._write(self._place(parts), content)
        if parts[-1] == self._mark:
            self._marked.add(tuple(parts[:-1]))

    def finish(self) -> list[str]:
        """Put the files of the folder that is meant into place; return the paths in it, unwanted files included.

        Raises ArtifactError if it is not clear which folder is meant.
        """
        top = self._top()
        self._refuse_beside(top)
        for path in self._landed[top].iterdir() if self._landed else ():
            path.rename(self._folder / path.name)
        return ["/".join(parts[len(top) :]) for parts in self._names if parts[: len(top)] == top != parts]

    def clear(self) -> None:
        """Delete what was not put into place."""
        for landed in self._landed.values():
            shutil.rmtree(landed)

    def _top(self) -> tuple[str, ...]:
        marked = [parts for parts, landed in self._landed.items() if (landed / self._mark).exists()]
        possible = marked or list(self._landed)
        if not possible:
            return ()
        highest = [parts for parts in possible if len(parts) == min(map(len, possible))]
        if len(highest) > 1:
            named = ", ".join(sorted("/".join(parts) for parts in highest)[:_SHOWN])
            raise ArtifactError(f"the archive holds several adapters ({named}); pack one of these folders")
        return highest[0]

    def _refuse_beside(self, top: tuple[str, ...]) -> None:
        """Refuse what belongs to the adapter and lies above its folder: left out, it would be missed by nobody."""
        for parts, landed in self._landed.items():
            named = next((name for name in self._together if (landed / name).exists()), None)
            if named is not None and len(parts) < len(top) and top[: len(parts)] == parts:
                raise ArtifactError(f"{named} lies beside the adapter's folder {'/'.join(top)}; put it in there")

    def _note(self, name: str) -> Sequence[str]:
        """Check a path and return its parts; keep it, to say what was left out."""
        parts = _parts(name)
        _check(name, parts)
        if not _is_of_macos(parts) and len(self._names) < _MOST_NAMES and len(name) <= _MAX_NAME:
            self._names.append(tuple(parts))
        return parts

    def _count(self) -> None:
        self._entries += 1
        if self._entries > _MAX_ENTRIES:
            raise ArtifactError(f"the archive lists more than {_MAX_ENTRIES} files; publish only the adapter itself")

    def _place(self, parts: Sequence[str]) -> Path:
        landed = self._landed.setdefault(tuple(parts[:-1]), self._folder / f".{len(self._landed)}")
        landed.mkdir(exist_ok=True)
        path = landed / parts[-1]
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


def _parts(name: str) -> list[str]:
    """The parts of a path. Windows' older tools write it with backslashes, which stand for nothing else here."""
    path = name.replace("\\", "/").removeprefix("./").removesuffix("/")
    return path.split("/") if path not in ("", ".") or name.startswith("/") else []


def _is_of_macos(parts: Sequence[str]) -> bool:
    return parts[0] == _MAC_FOLDER or parts[-1] == ".DS_Store" or parts[-1].startswith("._")


def _check(name: str, parts: Sequence[str]) -> None:
    if any(len(os.fsencode(part)) > _MAX_NAME for part in parts):
        raise ArtifactError(f"{name[:40]!r}... is too long a name; rename the file")
    if "\0" in name or not parts or any(part in ("", ".", "..") for part in parts):
        raise ArtifactError(f"{name[:200]!r} leads out of the folder; pack the folder again")
