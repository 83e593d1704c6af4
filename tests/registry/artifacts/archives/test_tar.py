"""Compressed tars, and headers made to fill the memory. What holds for every tar is in test_sources_refusals.py."""

from __future__ import annotations

import gzip
import io
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postil.registry.artifacts.archives.pack import unpack
from postil.registry.artifacts.archives.tar import TarFile, tar_chunks, tar_size
from postil.registry.errors import ArtifactError
from tests.registry.artifacts.archives.handmade import anything, as_tar, as_tar_gz

LIMIT = 1 << 20
MEBIBYTE = bytes(1 << 20)
NOT_WHOLE = "the upload is not a whole tar, tar.gz or zip file ("


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to unpack into."""
    made = tmp_path / "inside"
    made.mkdir()
    return made


def refusal(archive: bytes, folder: Path) -> str:
    """The sentence with which a tar is refused."""
    with pytest.raises(ArtifactError) as caught:
        unpack(io.BytesIO(archive), folder, LIMIT, wanted=anything)
    return str(caught.value)


def header(kind: bytes, size: int) -> bytes:
    """A header without what should follow it."""
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def test_a_bomb_is_refused_by_what_it_states(folder: Path) -> None:
    bomb = gzip.compress(header(tarfile.REGTYPE, 64 << 20) + MEBIBYTE * 64)
    assert refusal(bomb, folder).startswith("the adapter is larger than 1 MiB or 64 files; ")
    assert list(folder.iterdir()) == []


def test_a_bomb_after_the_end_of_the_tar_is_refused(folder: Path) -> None:
    bomb = gzip.compress(as_tar({"x": b"1"}) + MEBIBYTE * 40)
    assert refusal(bomb, folder) == "the adapter unpacks to more than 1 MiB; publish only the adapter"


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_header_without_bounds_is_not_read(folder: Path, kind: bytes) -> None:
    assert refusal(header(kind, 20 << 20) + MEBIBYTE * 20, folder).startswith(f"{NOT_WHOLE}a header has no bounds)")


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_headers_of_headers_without_end_are_refused(folder: Path, kind: bytes) -> None:
    assert refusal(header(kind, 0) * 5000, folder).startswith(NOT_WHOLE)


def test_a_sparse_file_is_refused(folder: Path) -> None:
    sentence = "'x' is a sparse file; pack the folder without --sparse"
    assert refusal(header(tarfile.GNUTYPE_SPARSE, 0), folder) == sentence


def test_many_folders_are_refused(folder: Path) -> None:
    assert refusal(as_tar({}, folders=["top"] * 4100), folder).startswith("the archive lists more than 4096")


GOOD = as_tar_gz({"a": b"1" * 300, "b": b"2" * 300, "c": b"3"})


@pytest.mark.parametrize("missing", [1, 4, 8, 20])
def test_a_tar_gz_that_ends_too_early_is_refused(folder: Path, missing: int) -> None:
    assert refusal(GOOD[:-missing], folder).startswith(NOT_WHOLE)


def test_a_checksum_that_does_not_fit_is_refused(folder: Path) -> None:
    assert refusal(GOOD[:-8] + b"\0\0\0\0" + GOOD[-4:], folder).startswith(f"{NOT_WHOLE}CRC check failed")


@given(st.lists(st.tuples(st.integers(2, len(GOOD) - 1), st.integers(0, 255)), max_size=4), st.integers(2, len(GOOD)))
@settings(deadline=None, max_examples=200)
def test_whatever_broke_it_is_refused_or_unpacked_flat(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]], kept: int
) -> None:
    root = tmp_path_factory.mktemp("broken")
    (root / "inside").mkdir()
    broken = bytearray(GOOD)
    for place, value in changes:
        broken[place] = value
    with suppress(ArtifactError):
        unpack(io.BytesIO(bytes(broken[:kept])), root / "inside", LIMIT, wanted=anything)
    assert [path.name for path in root.iterdir()] == ["inside"]
    assert all(path.is_file() for path in (root / "inside").iterdir())


@given(st.dictionaries(st.text("aäø", min_size=1, max_size=120), st.binary(max_size=1500), max_size=4))
@settings(deadline=None, max_examples=60)
def test_a_tar_is_as_long_as_it_was_said_to_be(files: dict[str, bytes]) -> None:
    members = [TarFile(name, content) for name, content in files.items()]
    made = b"".join(tar_chunks(members))
    assert len(made) == tar_size(members)
    with tarfile.open(fileobj=io.BytesIO(made)) as tar:
        assert sorted(tar.getnames()) == sorted(files)
