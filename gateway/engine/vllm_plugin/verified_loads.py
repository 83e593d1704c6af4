"""vLLM loads an adapter of postil's only from bytes whose digest is in the adapter's name.

vLLM reads an adapter from its folder whenever it has dropped it from memory, without asking the gateway, and maps the
file, so that it may read pages of it much later. Each folder is therefore copied into unlinked files while it is
hashed, and vLLM loads that copy: what was hashed is what is loaded, whatever becomes of the folder. The copies of the
adapters that were used last are kept for the next time.
"""

from __future__ import annotations

import copy
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
_CHUNK = 1 << 20
_OPEN_FILES = Path("/proc/self/fd")
Load = Callable[[Any, Any], Any]


class NotAsPublishedError(Exception):
    """The files of an adapter are not those that its name stands for."""


class VerifiedCopies:
    """Copies of at most ``most`` adapters by name, each verified when it was made."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[str, Mapping[str, IO[bytes]]] = OrderedDict()

    @contextmanager
    def folder(self, name: str, path: str) -> Iterator[str]:
        """A private folder with what vLLM reads of an adapter. Raises NotAsPublishedError or OSError."""
        files = self._kept.get(name) or verified_copy(name, path)
        self._kept[name] = files
        self._kept.move_to_end(name)
        self._shrink(self._most)
        with tempfile.TemporaryDirectory(prefix="postil-") as folder:
            for each, file in files.items():
                Path(folder, each).symlink_to(_OPEN_FILES / str(file.fileno()))
            yield folder

    def close(self) -> None:
        """Drop all copies."""
        self._shrink(0)

    def _shrink(self, most: int) -> None:
        while len(self._kept) > most:
            for file in self._kept.popitem(last=False)[1].values():
                file.close()


def verified_copy(name: str, path: str) -> Mapping[str, IO[bytes]]:
    """Copy what vLLM reads of a folder into unlinked files, hashing all of it. Raises NotAsPublishedError."""
    listing, kept = [], dict[str, IO[bytes]]()
    with ExitStack() as opened:
        for each in sorted(os.listdir(path)):
            if not Path(path, each).is_file():  # To open a pipe would wait for ever.
                raise NotAsPublishedError(f"{each} of {name} is not a file; publish it again")
            target = opened.enter_context(tempfile.TemporaryFile()) if each in READ else None
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


def _hashed(source: Path, target: IO[bytes] | None) -> str:
    digest = hashlib.sha256()
    with source.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            if target is not None:
                target.write(chunk)
    if target is not None:
        target.flush()
    return digest.hexdigest()


def _name(listing: list[tuple[str, str]]) -> str:
    """The name of an artifact inside the engine, from its (file name, SHA-256); as the gateway makes it."""
    return "postil-" + hashlib.sha256(json.dumps(sorted(listing)).encode()).hexdigest()[:40]
