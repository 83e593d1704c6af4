from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postil.registry.fsutil import fsync_tree, private_files, private_umask, sha256_file, write_private


@given(st.binary(max_size=5000))
@settings(deadline=None, max_examples=30)
def test_a_file_is_hashed_as_its_bytes_are(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "hashed"
    path.write_bytes(content)
    assert sha256_file(path) == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_secret_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_private(tmp_path / "admin.key", "secret")
    finally:
        os.umask(before)
    assert (tmp_path / "admin.key").read_text() == "secret"
    assert stat.S_IMODE((tmp_path / "admin.key").stat().st_mode) == 0o600


def test_a_secret_replaces_what_stood_there_and_leaves_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "admin.key").write_text("a longer secret, open to all")
    (tmp_path / "admin.key").chmod(0o644)
    write_private(tmp_path / "admin.key", "new")
    assert (tmp_path / "admin.key").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "admin.key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["admin.key"]


def test_a_folder_and_its_files_can_be_written_through(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    fsync_tree(tmp_path)
    with pytest.raises(FileNotFoundError):
        fsync_tree(tmp_path / "missing")


def test_files_of_a_block_are_their_owners_alone_and_those_after_it_are_not(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with private_files():
            (tmp_path / "inside").touch()
        (tmp_path / "after").touch()
        private_umask(shared=True)
        (tmp_path / "shared").touch()
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"inside": 0o600, "after": 0o644, "shared": 0o660}
