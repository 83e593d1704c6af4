"""vLLM loads an adapter of postil's only from bytes whose digest is in the adapter's name.

vLLM reads an adapter from its folder whenever it has dropped it from memory, without asking the gateway, and maps the
file, so that it may read pages of it much later. Each folder is therefore copied into unlinked files while it is
hashed, and vLLM loads that copy: what was hashed is what is loaded, whatever becomes of the folder. The copies of the
adapters that were used last are kept for the next time.
"""

from __future__ import annotations

import codecs
import copy
import errno
import hashlib
import json
import os
import re
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import IO, Any

OURS = re.compile("postil-([0-9a-f]{40})")
MANAGER = "vllm.lora.worker_manager"
# What vLLM reads of an adapter; the other files are hashed and not kept.
READ = frozenset({"adapter_config.json", "adapter_model.safetensors"})
# So many copies are kept at least; else twice as many as vLLM has places for.
FEWEST = 16
# And so many bytes, and never more than this share of what was free in TMPDIR: others write there too.
MOST_BYTES = 4 << 30
_SHARE_OF_FREE = 0.25
_CHUNK = 1 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM)
_MEMORY = "/dev/shm"  # noqa: S108 - made there with a name by chance and mode 0700
_OPEN_FILES = Path("/proc/self/fd")
Load = Callable[[Any, Any], Any]


class NotAsPublishedError(Exception):
    """The files of an adapter are not those that its name stands for."""


class NoRoomError(Exception):
    """There is no room for the copy of an adapter."""


class VerifiedCopies:
    """Copies by name of at most ``most`` adapters and ``most_bytes``, each verified when it was made.

    The one that is used now is kept whatever its size, until the next one is.
    """

    def __init__(self, most: int, most_bytes: int = MOST_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._kept: OrderedDict[str, Mapping[str, IO[bytes]]] = OrderedDict()

    @contextmanager
    def folder(self, name: str, path: str) -> Iterator[str]:
        """A private folder with what vLLM reads of an adapter. Raises NotAsPublishedError, NoRoomError or OSError."""
        files = self._kept.get(name)
        keep = True
        if files is None:
            files, keep = self._copied(name, path)
        self._kept[name] = files
        self._kept.move_to_end(name)
        try:
            with _links_folder() as folder:
                for each, file in files.items():
                    Path(folder, each).symlink_to(_OPEN_FILES / str(file.fileno()))
                yield folder
        finally:
            if not keep:
                self._shrink(0, 0)

    def close(self) -> None:
        """Drop all copies."""
        self._shrink(0, 0)

    def _copied(self, name: str, path: str) -> tuple[Mapping[str, IO[bytes]], bool]:
        """Make room and copy, and say whether that may be kept; with a full disk, without any other copy.

        An error here ends vLLM where it loads one again by itself, so that memory has to do where no disk does.
        """
        size = _size(path)
        self._shrink(self._most - 1, self._bound() - size)
        for make, keep in ((tempfile.TemporaryFile, True), (tempfile.TemporaryFile, True), (_in_memory, False)):
            try:
                return verified_copy(name, path, make), keep
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                self._shrink(0, 0)
        raise NoRoomError(
            f"neither {tempfile.gettempdir()} nor the memory has room for a copy of {name} ({size >> 20} MiB); free"
            " some, or set TMPDIR to a folder with more"
        )

    def _bound(self) -> int:
        """How many bytes of copies there may be, with what the disk has left."""
        return min(self._most_bytes, int((self._bytes() + _free()) * _SHARE_OF_FREE))

    def _bytes(self) -> int:
        return sum(os.fstat(file.fileno()).st_size for files in self._kept.values() for file in files.values())

    def _shrink(self, most: int, most_bytes: int) -> None:
        """Drop the copies that were used least recently."""
        while self._kept and (len(self._kept) > most or self._bytes() > most_bytes):
            for file in self._kept.popitem(last=False)[1].values():
                file.close()


def verified_copy(
    name: str, path: str, make: Callable[[], IO[bytes]] = tempfile.TemporaryFile
) -> Mapping[str, IO[bytes]]:
    """Copy what vLLM reads of a folder into unlinked files, hashing all of it. Raises NotAsPublishedError or OSError.

    ``make`` returns such a file.
    """
    listing, kept = [], dict[str, IO[bytes]]()
    with ExitStack() as opened:
        for each in sorted(os.listdir(path)):
            if not Path(path, each).is_file():  # To open a pipe would wait for ever.
                raise NotAsPublishedError(f"{each} of {name} is not a file; publish it again")
            target = opened.enter_context(make()) if each in READ else None
            listing.append((each, _hashed(Path(path, each), target)))
            if target is not None:
                kept[each] = target
        if _name(listing) != name:
            raise NotAsPublishedError(f"the files of {name} are not those that were published; publish it again")
        opened.pop_all()
    return kept


def verify_loads(module: ModuleType) -> None:
    """Make vLLM's ``worker_manager`` load verified copies. Raises AttributeError if it loads in another way."""
    manager = module.WorkerLoRAManager
    if not hasattr(manager._load_adapter, "postil"):
        manager._load_adapter = verified(manager._load_adapter)


def verified(load: Load) -> Load:
    """``load``, but where the adapter's name is one of postil's, of a verified copy of its files."""

    def loaded(self: Any, request: Any) -> Any:
        if OURS.fullmatch(request.lora_name) is None:
            return load(self, request)
        with _copies(self).folder(request.lora_name, request.lora_path) as folder:
            private = copy.copy(request)
            private.lora_path = folder
            return load(self, private)

    loaded.postil = True  # type: ignore[attr-defined]
    return loaded


def _copies(manager: Any) -> VerifiedCopies:
    """The copies of one of vLLM's managers, kept with it."""
    if not hasattr(manager, "postil_copies"):
        places = getattr(manager.lora_config, "max_cpu_loras", None) or 0
        manager.postil_copies = VerifiedCopies(max(2 * places, FEWEST))
    found: VerifiedCopies = manager.postil_copies
    return found


def _links_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder for links to copies; where the disk has no room for that, in memory."""
    try:
        return tempfile.TemporaryDirectory(prefix="postil-")
    except OSError as error:
        if error.errno not in _FULL:
            raise
    return tempfile.TemporaryDirectory(prefix="postil-", dir=_MEMORY)


def _in_memory() -> IO[bytes]:
    """An unlinked file in memory."""
    return os.fdopen(os.memfd_create("postil"), "w+b")


def _size(path: str) -> int:
    """How many bytes are copied of a folder."""
    return sum(file.stat().st_size for each in READ if (file := Path(path, each)).is_file())


def _free() -> int:
    """How many bytes are free where copies are made."""
    found = os.statvfs(tempfile.gettempdir())
    return found.f_bavail * found.f_frsize


def _hashed(source: Path, target: IO[bytes] | None) -> str:
    digest = hashlib.sha256()
    with source.open("rb") as file:
        begun = source.suffix != ".json"
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            if target is not None:
                # What some editors put before a JSON text vLLM cannot read.
                target.write(chunk if begun else chunk.removeprefix(codecs.BOM_UTF8))
                begun = True
    if target is not None:
        target.flush()
    return digest.hexdigest()


def _name(listing: list[tuple[str, str]]) -> str:
    """The name of an artifact inside the engine, from its (file name, SHA-256); as the gateway makes it."""
    return "postil-" + hashlib.sha256(json.dumps(sorted(listing)).encode()).hexdigest()[:40]
