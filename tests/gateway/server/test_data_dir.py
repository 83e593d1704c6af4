"""The data folder: one gateway at a time, and what a killed one leaves elsewhere is cleared away."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from postil.gateway.errors import SettingsError
from postil.gateway.server.data_dir import hold, run_folder


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, empty."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path / "tmp"


def test_a_home_is_held_by_one_until_it_ends(tmp_path: Path) -> None:
    lock = hold(tmp_path / "home")
    with pytest.raises(SettingsError, match="another postil serves from"):
        hold(tmp_path / "home")
    os.close(lock)
    os.close(hold(tmp_path / "home"))


def test_the_run_folder_of_one_that_was_killed_goes_when_the_next_one_starts(tmp_path: Path, temporary: Path) -> None:
    lock = hold(tmp_path / "home")
    left = run_folder(lock)
    (left / "engine.sock").touch()
    os.close(lock)
    lock = hold(tmp_path / "home")
    made = run_folder(lock)
    assert list(temporary.iterdir()) == [made]
    os.close(lock)


def test_run_folders_of_other_homes_stay(tmp_path: Path, temporary: Path) -> None:
    locks = [hold(tmp_path / name) for name in ("one", "other")]
    assert {run_folder(lock) for lock in locks} == set(temporary.iterdir())
    for lock in locks:
        os.close(lock)


@pytest.mark.parametrize("noted", ["", "precious", "tmp/precious", "tmp/../precious"])
def test_nothing_else_is_taken_for_a_run_folder(tmp_path: Path, temporary: Path, noted: str) -> None:
    for precious in (tmp_path / "precious", temporary / "precious"):
        precious.mkdir()
    lock = hold(tmp_path / "home")
    os.pwrite(lock, str(tmp_path / noted).encode() if noted else b"", 0)
    run_folder(lock)
    assert (tmp_path / "precious").is_dir()
    assert (temporary / "precious").is_dir()
    os.close(lock)
