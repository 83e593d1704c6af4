"""Tars that somebody made to do harm, or that broke on the way: refused, with nothing outside the folder."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postil.registry.artifacts.archives.pack import unpack
from postil.registry.artifacts.archives.safe_extract import MAX_FILES
from postil.registry.errors import ArtifactError
from tests.registry.artifacts.archives.handmade import anything

LIMIT = 1 << 20
Member = tuple[tarfile.TarInfo, bytes]


def tar_of(*members: Member, form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar of exactly these members."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=form) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return made.getvalue()


def member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> Member:
    """One member of a tar."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(content)
    return info, content


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder to unpack into, between two that nothing may touch."""
    root = tmp_path / "root"
    (root / "inside").mkdir(parents=True)
    (root / "other").mkdir()
    yield root / "inside"
    assert sorted(path.name for path in root.iterdir()) == ["inside", "other"]
    assert list((root / "other").iterdir()) == []
    assert all(path.is_file() and not path.is_symlink() for path in (root / "inside").iterdir())


def refusal(tar: bytes, folder: Path, limit: int = LIMIT) -> str:
    """The sentence with which a tar is refused."""
    with pytest.raises(ArtifactError) as caught:
        unpack(io.BytesIO(tar), folder, limit, wanted=anything)
    return str(caught.value)


@pytest.mark.parametrize("target", ["/etc/passwd", "../other/x", "x", ""])
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_is_refused(folder: Path, kind: bytes, target: str) -> None:
    tar = tar_of(member("x", b"1"), member("link", b"", kind, target))
    assert refusal(tar, folder) == "'link' is a link; put the file itself in its place"


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_a_link_that_is_not_wanted_is_left_out_and_never_written_through(folder: Path, kind: bytes) -> None:
    tar = tar_of(member("out", b"", kind, "../other"), member("out/x", b"1"))
    names = unpack(io.BytesIO(tar), folder, LIMIT, wanted=lambda name: name == "x")
    assert (names, (folder / "x").read_bytes()) == (["x"], b"1")


@pytest.mark.parametrize("kind", [tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE])
def test_a_device_is_refused(folder: Path, kind: bytes) -> None:
    sentence = "'x' is not a plain file; an adapter is one flat folder of plain files"
    assert refusal(tar_of(member("x", b"", kind)), folder) == sentence


@pytest.mark.parametrize(
    ("names", "files", "listed"),
    [
        (["x", "top/y"], {"x"}, ["x", "top/y"]),
        (["top/x", "y"], {"y"}, ["top/x", "y"]),
        (["top/more/y", "top/x"], {"x"}, ["more/y", "x"]),
        (["a/b/x"], {"x"}, ["x"]),
        (["x", "y", "top/adapter_config.json", "top/z"], {"adapter_config.json", "z"}, ["adapter_config.json", "z"]),
    ],
)
def test_of_several_folders_the_highest_with_an_adapter_is_meant(
    folder: Path, names: list[str], files: set[str], listed: list[str]
) -> None:
    tar = tar_of(member("empty/", b"", tarfile.DIRTYPE), *(member(name, b"1") for name in names))
    assert unpack(io.BytesIO(tar), folder, LIMIT, wanted=anything) == listed
    assert {path.name for path in folder.iterdir()} == files


@pytest.mark.parametrize("name", ["policy.yaml", "model.sig"])
def test_what_belongs_to_an_adapter_and_lies_beside_its_folder_is_not_left_out_in_silence(
    folder: Path, name: str
) -> None:
    names = [f"run/{name}", "run/adapter/adapter_config.json", "run/adapter/x"]
    assert refusal(tar_of(*(member(each, b"1") for each in names)), folder) == (
        f"{name} lies beside the adapter's folder run/adapter; put it in there"
    )


def test_the_checkpoints_below_an_adapter_count_for_nothing(folder: Path) -> None:
    names = ["run/adapter_config.json", "run/x", *(f"run/checkpoint-{number}/x" for number in range(MAX_FILES))]
    assert len(unpack(io.BytesIO(tar_of(*(member(name, b"1") for name in names))), folder, LIMIT, wanted=anything)) > 2
    assert {path.name for path in folder.iterdir()} == {"adapter_config.json", "x"}


def test_two_adapters_in_one_archive_are_refused(folder: Path) -> None:
    names = ["b/adapter_config.json", "a/adapter_config.json", "c/x"]
    assert refusal(tar_of(*(member(name, b"1") for name in names)), folder) == (
        "the archive holds several adapters (a, b); pack one of these folders"
    )
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["a/.x", ".a/x", ".hidden", ".git/objects/x", "__MACOSX/x"])
def test_what_is_hidden_is_left_out(folder: Path, name: str) -> None:
    unpack(io.BytesIO(tar_of(member(name, b"1"), member("y", b"1"))), folder, LIMIT, wanted=anything)
    assert [path.name for path in folder.iterdir()] == ["y"]


def test_a_windows_path_is_one_of_folders(folder: Path) -> None:
    assert unpack(io.BytesIO(tar_of(member("C:\\a\\x", b"1"))), folder, LIMIT, wanted=anything) == ["x"]
    assert [path.name for path in folder.iterdir()] == ["x"]


@pytest.mark.parametrize(
    "name",
    ["/etc/x", "/x", "../x", "../other/x", "a/../x", "a/../../x", "a//x", "..", ".", "./../x", "././x", "..\\x",
     "a\\..\\..\\x", "\\x", "\\\\host\\x", "./", "", "//x"],
)  # fmt: skip
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_a_name_that_leads_elsewhere_is_refused(folder: Path, name: str, form: int) -> None:
    assert refusal(tar_of(member(name, b"1"), form=form), folder).endswith(
        " leads out of the folder; pack the folder again"
    )
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["x" * 256, "ü" * 128, "x" * 5000])
def test_a_name_that_is_too_long_is_refused(folder: Path, name: str) -> None:
    sentence = f"{name[:40]!r}... is too long a name; rename the file"
    assert refusal(tar_of(member(name, b"1")), folder) == sentence


@pytest.mark.parametrize("again", ["x", "./x"])
def test_a_name_twice_is_refused(folder: Path, again: str) -> None:
    tar = tar_of(member("x", b"1"), member(again, b"2"))
    assert refusal(tar, folder) == "'x' occurs twice; pack the folder again"
    assert list(folder.iterdir()) == []


def test_more_bytes_than_allowed_are_refused(folder: Path) -> None:
    tar = tar_of(*(member(str(number), b"x" * (1 << 20)) for number in range(3)))
    assert refusal(tar, folder, limit=2 << 20) == (
        "the adapter is larger than 2 MiB or 64 files; publish only the adapter itself"
    )
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 2 << 20


def test_more_files_than_allowed_are_refused(folder: Path) -> None:
    tar = tar_of(*(member(str(number)) for number in range(MAX_FILES + 1)))
    assert refusal(tar, folder).startswith("the adapter is larger than 1 MiB or 64 files; ")


def test_a_header_that_promises_too_much_is_refused_before_anything_is_written(folder: Path) -> None:
    info, _ = member("x")
    info.size = 1 << 50
    assert refusal(info.tobuf(tarfile.GNU_FORMAT), folder).startswith("the adapter is larger than 1 MiB")
    assert list(folder.iterdir()) == []


def test_a_sparse_file_that_is_a_bomb_is_refused(folder: Path) -> None:
    info, _ = member("x")
    info.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.size": str(1 << 40),
                        "GNU.sparse.map": "0,0", "GNU.sparse.name": "x"}  # fmt: skip
    assert refusal(tar_of((info, b"")), folder).startswith("the adapter is larger than 1 MiB")


def test_a_size_below_nothing_does_not_make_room(folder: Path) -> None:
    info, _ = member("x")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" + struct.pack(">q", -(1 << 40)).rjust(11, b"\xff")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    tar = bytes(header) + tar_of(member("y", b"x" * (2 << 20)))
    refusal(tar, folder)
    assert sum(path.stat().st_size for path in folder.iterdir()) <= LIMIT


@pytest.mark.parametrize("sparse", ["x", "1,x", "-"])
def test_nonsense_in_a_header_is_refused(folder: Path, sparse: str) -> None:
    info, _ = member("x")
    info.pax_headers = {"GNU.sparse.map": sparse, "GNU.sparse.size": sparse}
    assert refusal(tar_of((info, b"")), folder).startswith("the upload is not a whole tar, tar.gz or zip file (")


@pytest.mark.parametrize(
    "junk",
    [b"", b"x", b"PK\x03\x04" * 300, b"\x80\x04N." * 300, b"{}" * 600, gzip.compress(b"x" * 600)],
    ids=["nothing", "letter", "zip", "pickle", "json", "gzip"],
)
def test_what_is_no_tar_is_refused(folder: Path, junk: bytes) -> None:
    sentence = refusal(junk, folder)
    assert sentence.startswith("the upload is not a whole tar, tar.gz or zip file (")
    assert sentence.endswith("); send it again")


THREE = tar_of(member("a", b"1" * 700), member("b", b"2" * 700), member("c", b"3"))
END = THREE.rindex(b"3") // 512 * 512 + 512


@pytest.mark.parametrize("kept", [1, 511, 512, 600, 1536, 1600, 2048, 2500, 3072, 3100, END - 512, END - 511, END])
def test_a_tar_that_ends_too_early_is_refused(folder: Path, kept: int) -> None:
    assert refusal(THREE[:kept], folder).startswith("the upload is not a whole tar, tar.gz or zip file (")


@pytest.mark.parametrize("place", [0, 3 * 512, 6 * 512])
def test_a_broken_header_is_not_taken_for_the_end(folder: Path, place: int) -> None:
    broken = THREE[:place] + b"\x07" + THREE[place + 1 :]
    assert refusal(broken, folder).startswith("the upload is not a whole tar, tar.gz or zip file (")


@given(st.lists(st.tuples(st.integers(0, END - 1), st.integers(0, 255)), max_size=6), st.integers(0, END + 99))
@settings(deadline=None, max_examples=200)
def test_whatever_broke_it_is_refused_or_unpacked_flat(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]], kept: int
) -> None:
    root = tmp_path_factory.mktemp("broken")
    (root / "inside").mkdir()
    broken = bytearray(THREE)
    for place, value in changes:
        broken[place] = value
    with suppress(ArtifactError):
        unpack(io.BytesIO(bytes(broken[:kept])), root / "inside", LIMIT, wanted=anything)
    assert [path.name for path in root.iterdir()] == ["inside"]
    assert all(path.is_file() for path in (root / "inside").iterdir())
