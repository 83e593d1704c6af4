"""Whether the disks have room for what comes, and for what is on its way already."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from postil.gateway.errors import InsufficientStorageError


class FreeSpace:
    """The disk of a folder, of which so many bytes stay free, and that of the folder where uploads are spooled.

    What is on its way is reserved, so that several that each fit do not fill a disk together.
    """

    def __init__(self, folder: Path, keep: int, spool: Path) -> None:
        self._folder = folder
        self._keep = keep
        self._spool = spool
        # By device: the two folders may be on one disk.
        self._reserved: Counter[int] = Counter()

    def check(self) -> None:
        """Check that as much is free as has to stay free. Raises InsufficientStorageError."""
        free = shutil.disk_usage(self._folder).free
        if free < self._keep:
            raise self._full(free)

    @contextmanager
    def reserved(self, *, stored: int, spooled: int) -> Iterator[None]:
        """Keep room for bytes that are stored and bytes that are spooled. Raises InsufficientStorageError."""
        store, spool = self._folder.stat().st_dev, self._spool.stat().st_dev
        wanted = Counter({store: stored})
        wanted[spool] += spooled
        free = shutil.disk_usage(self._folder).free - self._reserved[store]
        if free - wanted[store] < self._keep:
            raise self._full(free)
        unspooled = shutil.disk_usage(self._spool).free - self._reserved[spool]
        if unspooled < wanted[spool]:
            raise InsufficientStorageError(
                f"the gateway's disk for uploads that arrive has {max(unspooled, 0) >> 20} MiB free; try again when"
                " others have ended, or have an admin set TMPDIR to a folder with more room"
            )
        self._reserved += wanted
        try:
            yield
        finally:
            self._reserved -= wanted

    def _full(self, free: int) -> InsufficientStorageError:
        return InsufficientStorageError(
            f"the gateway's disk has {max(free, 0) >> 20} MiB free, of which {self._keep >> 20} (POSTIL_MIN_FREE_MIB)"
            " stay free; have an admin delete what nobody uses with `postil gc`, or add space"
        )
