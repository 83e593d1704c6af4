"""A disk that is full is found before it is: what is on its way counts as there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from postil.gateway.control.disk import FreeSpace
from postil.gateway.errors import InsufficientStorageError


def a_tenth(folder: Path) -> int:
    """A tenth of what is free, so that others who use the disk meanwhile change nothing."""
    return shutil.disk_usage(folder).free // 10


def test_uploads_that_fit_one_by_one_and_not_together_are_not_all_taken(tmp_path: Path) -> None:
    tenth = a_tenth(tmp_path)
    disk = FreeSpace(tmp_path, tenth, tmp_path)
    with disk.reserved(stored=3 * tenth, spooled=2 * tenth):
        with disk.reserved(stored=2 * tenth, spooled=0):
            disk.check()
        with (
            pytest.raises(InsufficientStorageError, match=r"POSTIL_MIN_FREE_MIB.*postil gc"),
            disk.reserved(stored=3 * tenth, spooled=2 * tenth),
        ):
            pass
    with disk.reserved(stored=3 * tenth, spooled=2 * tenth):
        pass


def test_what_ended_or_was_refused_keeps_no_room(tmp_path: Path) -> None:
    tenth = a_tenth(tmp_path)
    disk = FreeSpace(tmp_path, tenth, tmp_path)
    with pytest.raises(ZeroDivisionError), disk.reserved(stored=5 * tenth, spooled=0):
        raise ZeroDivisionError
    for _ in range(3):
        with pytest.raises(InsufficientStorageError), disk.reserved(stored=20 * tenth, spooled=0):
            pass
    with disk.reserved(stored=5 * tenth, spooled=0):
        pass


def test_a_disk_below_what_stays_free_is_full(tmp_path: Path) -> None:
    with pytest.raises(InsufficientStorageError, match="POSTIL_MIN_FREE_MIB"):
        FreeSpace(tmp_path, 1 << 60, tmp_path).check()


def test_where_uploads_are_spooled_has_to_have_room_for_them_too(tmp_path: Path) -> None:
    disk = FreeSpace(tmp_path, 0, Path("/proc"))  # Of a disk of its own, on which there is never room.
    with (
        pytest.raises(InsufficientStorageError, match="set TMPDIR to a folder with more room"),
        disk.reserved(stored=0, spooled=1),
    ):
        pass
    with disk.reserved(stored=1, spooled=0):
        pass
