"""Whether a disk has room for what comes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from postil.gateway.errors import InsufficientStorageError


@dataclass(frozen=True, slots=True)
class FreeSpace:
    """The disk of a folder, of which so many bytes stay free."""

    folder: Path
    keep: int

    def check(self, added: int = 0) -> None:
        """Check that ``added`` bytes fit. Raises InsufficientStorageError."""
        free = shutil.disk_usage(self.folder).free
        if free - added < self.keep:
            raise InsufficientStorageError(
                f"the gateway's disk has {free >> 20} MiB free, of which {self.keep >> 20} (POSTIL_MIN_FREE_MIB) stay"
                " free; have an admin delete what nobody uses with `postil gc`, or add space"
            )
