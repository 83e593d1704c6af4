"""Zips that somebody made to do harm, or that broke on the way: refused, with nothing outside the folder."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postil.registry.artifacts.archives.pack import unpack
from postil.registry.errors import ArtifactError
from tests.registry.artifacts.archives.handmade import anything, as_zip

LIMIT = 1 << 20
LISTED, END = b"PK\x01\x02", b"PK\x05\x06"
TOO_LARGE = "the adapter is larger than 1 MiB or 64 files; publish only the adapter itself"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to unpack into."""
    made = tmp_path / "inside"
    made.mkdir()
    return made


def refusal(archive: bytes, folder: Path) -> str:
    """The sentence with which a zip is refused."""
    with pytest.raises(ArtifactError) as caught:
        unpack(io.BytesIO(archive), folder, LIMIT, wanted=anything)
    assert [path.name for path in folder.parent.iterdir()] == ["inside"]
    return str(caught.value)


def odd(name: str, change: Callable[[zipfile.ZipInfo], None]) -> bytes:
    """A zip of one member that is not as others are."""
    made = io.BytesIO()
    info = zipfile.ZipInfo(name)
    change(info)
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(info, b"/etc/passwd")
    return made.getvalue()


def mode(kind: int) -> Callable[[zipfile.ZipInfo], None]:
    """Make a member something else than a file."""

    def change(info: zipfile.ZipInfo) -> None:
        info.external_attr = (kind | 0o644) << 16

    return change


def rewritten(archive: bytes, at: int, value: bytes) -> bytes:
    """With other bytes at a place of the first entry in its list of contents."""
    place = archive.index(LISTED) + at
    return archive[:place] + value + archive[place + len(value) :]


def test_a_link_is_refused(folder: Path) -> None:
    assert refusal(odd("x", mode(stat.S_IFLNK)), folder) == "'x' is a link; put the file itself in its place"


@pytest.mark.parametrize("kind", [stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_a_device_is_refused(folder: Path, kind: int) -> None:
    sentence = "'x' is not a plain file; an adapter is one flat folder of plain files"
    assert refusal(odd("x", mode(kind)), folder) == sentence


@pytest.mark.parametrize(
    "name",
    ["/x", "../x", "a/../x", "..", "..\\x", "a\\..\\..\\x", "\\x", "a//x", "//x", "../a/", "..\\a\\", "/"],
)
def test_a_name_that_leads_elsewhere_is_refused(folder: Path, name: str) -> None:
    sentence = refusal(as_zip({name: b"1"}), folder)
    assert sentence.endswith(" leads out of the folder; pack the folder again")
    assert list(folder.iterdir()) == []


def test_a_name_that_ends_early_for_some_is_refused(folder: Path) -> None:
    archive = as_zip({"xxx": b"1"}).replace(b"xxx", b"x\0x")
    assert refusal(archive, folder).endswith("leads out of the folder; pack the folder again")


def test_a_name_twice_is_refused(folder: Path) -> None:
    archive = as_zip({"x": b"1", "y": b"2"}).replace(b"y", b"x")
    assert refusal(archive, folder) == "'x' occurs twice; pack the folder again"
    assert list(folder.iterdir()) == []


def test_an_encrypted_file_is_refused(folder: Path) -> None:
    archive = rewritten(as_zip({"x": b"1"}), 8, b"\x01\x00")
    assert refusal(archive, folder) == "'x' is encrypted; pack the folder without a password"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compression_that_unpacks_without_bounds_is_refused(folder: Path, method: int) -> None:
    archive = as_zip({"x": bytes(LIMIT)}, method=method)
    assert refusal(archive, folder) == "'x' is not compressed with deflate; pack the folder with a plain zip"


def test_a_bomb_is_refused_before_anything_is_written(folder: Path) -> None:
    assert refusal(as_zip({"x": bytes(LIMIT + 1)}), folder) == TOO_LARGE
    assert list(folder.iterdir()) == []


def test_a_bomb_that_says_it_is_small_is_refused(folder: Path) -> None:
    archive = rewritten(as_zip({"x": bytes(50 * LIMIT)}), 24, struct.pack("<I", 10))
    assert "Bad CRC-32" in refusal(archive, folder)
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 10


def test_files_that_share_their_bytes_are_refused(folder: Path) -> None:
    archive = as_zip({"x": b"1" * 1000})
    listed, end = archive.index(LISTED), archive.index(END)
    entries = b"".join(archive[listed:end][:-1] + name for name in (b"x", b"y"))
    tail = bytearray(archive[end:])
    tail[8:12] = struct.pack("<HH", 2, 2)
    tail[12:16] = struct.pack("<I", len(entries))
    assert refusal(archive[:listed] + entries + bytes(tail), folder) == (
        "'y' overlaps another file; pack the folder again"
    )
    assert list(folder.iterdir()) == []


def test_more_files_than_allowed_are_refused(folder: Path) -> None:
    assert refusal(as_zip({str(number): b"" for number in range(65)}), folder) == TOO_LARGE


def test_a_list_of_very_many_files_is_not_even_read(folder: Path) -> None:
    archive = as_zip({str(number): b"" for number in range(30_000)})
    assert refusal(archive, folder).startswith("the zip lists far more files than an adapter has; ")
    assert list(folder.iterdir()) == []


def test_many_folders_are_refused(folder: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("top/", b"")
        for number in range(4100):
            archive.writestr(f"__MACOSX/{number}/", b"")
    assert refusal(made.getvalue(), folder) == (
        "the archive lists more than 4096 files; publish only the adapter itself"
    )


def test_a_zip_with_backslashes_is_unpacked_as_the_folders_that_they_mean(folder: Path) -> None:
    archive = as_zip({"top\\x": b"1", "top\\images\\loss.png": b"2"}, folders=["top\\images"])
    names = unpack(io.BytesIO(archive), folder, LIMIT, wanted=lambda name: name == "x")
    assert (names, (folder / "x").read_bytes()) == (["x", "images/loss.png"], b"1")


@pytest.mark.parametrize("change", [mode(stat.S_IFLNK), mode(stat.S_IFIFO)])
def test_what_is_not_wanted_is_left_out_whatever_it_is(folder: Path, change: Callable[[zipfile.ZipInfo], None]) -> None:
    assert unpack(io.BytesIO(odd("latest", change)), folder, LIMIT, wanted=lambda name: name == "x") == ["latest"]
    encrypted = rewritten(as_zip({"photo.png": b"1"}), 8, b"\x01\x00")
    assert unpack(io.BytesIO(encrypted), folder, LIMIT, wanted=lambda name: name == "x") == ["photo.png"]
    packed = as_zip({"plot.bmp": bytes(LIMIT)}, method=zipfile.ZIP_LZMA)
    assert unpack(io.BytesIO(packed), folder, LIMIT, wanted=lambda name: name == "x") == ["plot.bmp"]
    assert list(folder.iterdir()) == []


GOOD = as_zip({"a": b"1" * 300, "b": b"2" * 300, "c": b"3"})


@pytest.mark.parametrize("kept", [4, 30, 100, len(GOOD) - 22, len(GOOD) - 1])
def test_a_zip_that_ends_too_early_is_refused(folder: Path, kept: int) -> None:
    assert refusal(GOOD[:kept], folder).startswith("the upload is not a whole tar, tar.gz or zip file (")


@pytest.mark.parametrize("place", [35, GOOD.index(b"PK\x03\x04", 4) + 35])
def test_content_that_changed_on_the_way_is_refused(folder: Path, place: int) -> None:
    broken = GOOD[:place] + bytes([GOOD[place] ^ 0xFF]) + GOOD[place + 1 :]
    assert refusal(broken, folder).startswith("the upload is not a whole tar, tar.gz or zip file (")


@given(st.lists(st.tuples(st.integers(4, len(GOOD) - 1), st.integers(0, 255)), max_size=6), st.integers(4, len(GOOD)))
@settings(deadline=None, max_examples=300)
def test_whatever_broke_it_is_refused_or_unpacked_flat(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]], kept: int
) -> None:
    root = tmp_path_factory.mktemp("broken")
    (root / "inside").mkdir()
    broken = bytearray(GOOD)
    for place, value in changes:
        broken[place] = value
    (root / "archive").write_bytes(broken[:kept])
    with (root / "archive").open("rb") as archive, suppress(ArtifactError):
        unpack(archive, root / "inside", LIMIT, wanted=anything)
    assert sorted(path.name for path in root.iterdir()) == ["archive", "inside"]
    assert all(path.is_file() for path in (root / "inside").iterdir())
