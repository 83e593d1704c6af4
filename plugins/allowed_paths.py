"""Which files a process of plugins may read, and which it may write, as folders that Landlock allows.

Landlock knows allowed places only, each with all that is in it. So where something is denied in a folder, the folder is
not allowed, but what stands beside it there when the process starts.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

_PROCESSES, _DEVICES = Path("/proc"), Path("/dev")
# What programs need of the devices, graphics cards among them. Not the memory that processes share (/dev/shm), which
# holds the engine's and other gateways' data, not terminals, and not disks.
_USUAL_DEVICES = ("null", "zero", "full", "random", "urandom", "nvidia*", "kfd", "dri", "dxg")
# The folders that a plugin may write beside its own and the caches of models, as an admin names them.
_WRITABLE = "POSTIL_PLUGIN_WRITABLE"
# What libraries write in the folder that may hold a hub's token: made before, as it cannot be made then.
_OF_HUB = ("hub", "xet")


class AllowedPaths:
    """What is allowed of all files where some are denied; ``given`` is the environment of the process."""

    def __init__(self, denied: Iterable[str], given: Mapping[str, str]) -> None:
        paths = [Path(path) for path in denied]
        self._denied = {path.resolve() for path in paths} | {path.absolute() for path in paths}
        self._denied |= {_PROCESSES / "kcore", _DEVICES}
        self._given = given

    def readable(self, besides: Iterable[str]) -> Iterator[Path]:
        """All in which nothing is denied, as few paths as can be; and where modules are found, within denied ones too.

        What is denied inside a folder of modules stays denied.
        """
        yield from self._beside(Path("/"))
        for entry in _modules(besides):
            yield from self._beside(entry)

    def writable(self, temporary: str) -> Iterator[Path]:
        """The folder for temporary files, caches of models, what an admin names; but for what is denied there."""
        yield Path(temporary)
        for folder in self._named():
            yield from self._beside(folder)

    def listed(self, besides: Iterable[str]) -> Iterator[Path]:
        """Folders of which only the names of what they hold may be read: something in them is denied.

        Python looks for modules by listing a folder.
        """
        for folder in (*_modules(besides), *self._named()):
            if folder not in self._denied and self._holds_denied(folder):
                yield folder

    def devices(self) -> Iterator[Path]:
        """The devices that may be read and written."""
        for pattern in _USUAL_DEVICES:
            yield from _DEVICES.glob(pattern)

    def _beside(self, folder: Path) -> Iterator[Path]:
        """A folder, if nothing in it is denied; else what stands in it beside that."""
        if folder in self._denied or _is_another_process(folder):
            return
        if folder != _PROCESSES and not self._holds_denied(folder):
            yield folder
            return
        with suppress(OSError):
            for path in folder.iterdir():
                if not path.is_symlink():  # What it leads to is allowed where that stands.
                    yield from self._beside(path)

    def _holds_denied(self, folder: Path) -> bool:
        return any(path.is_relative_to(folder) for path in self._denied)

    def _named(self) -> list[Path]:
        home = Path(self._given.get("HOME", "/nonexistent"))
        caches = Path(self._given.get("XDG_CACHE_HOME") or home / ".cache")
        hub = Path(self._given.get("HF_HOME") or caches / "huggingface")
        if hub.is_dir():
            for name in _OF_HUB:
                with suppress(OSError):
                    (hub / name).mkdir(exist_ok=True)
        named = [Path(path) for path in self._given.get(_WRITABLE, "").split(os.pathsep) if path]
        return [path.resolve() for path in (caches, hub, *named)]


def _modules(besides: Iterable[str]) -> list[Path]:
    return [Path(entry).resolve() for entry in (*sys.path, *besides) if entry]


def _is_another_process(folder: Path) -> bool:
    """Whether it shows another process: its environment, its memory, its open files."""
    return folder.parent == _PROCESSES and folder.name.isdecimal() and folder.name != str(os.getpid())
