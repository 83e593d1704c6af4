"""What is packed is unpacked again, however it was packed, and the same files always make the same tar."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postil.registry.artifacts.archives.pack import is_archive, pack, unpack
from postil.registry.artifacts.archives.safe_extract import MAX_FILES
from postil.registry.defaults import SIGNATURE
from postil.registry.errors import ArtifactError
from tests.registry.artifacts.archives.handmade import KINDS, anything, as_tar, as_zip

NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/\\\0.", exclude_categories=["Cs"]), min_size=1, max_size=60
).filter(lambda name: len(name.encode()) <= 255)
FILES = st.dictionaries(NAMES, st.binary(max_size=2000), max_size=5)
LIMIT = 1 << 20


def fill(folder: Path, files: Mapping[str, bytes]) -> Path:
    """A folder of these files."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def read(folder: Path) -> dict[str, bytes]:
    """The files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def packed(folder: Path) -> bytes:
    """A folder as a tar."""
    tar = io.BytesIO()
    pack(folder, tar, wanted=anything)
    return tar.getvalue()


def unpacked(tar: bytes, folder: Path, limit: int = LIMIT) -> dict[str, bytes]:
    """The files of a tar, by way of a folder."""
    folder.mkdir()
    unpack(io.BytesIO(tar), folder, limit, wanted=anything)
    return read(folder)


@given(FILES)
@settings(deadline=None, max_examples=60)
def test_what_is_packed_is_unpacked(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    root = tmp_path_factory.mktemp("tar")
    assert unpacked(packed(fill(root / "from", files)), root / "to") == files


@given(FILES)
@settings(deadline=None, max_examples=30)
def test_the_same_files_always_make_the_same_tar(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    root = tmp_path_factory.mktemp("tar")
    one, other = fill(root / "one", files), fill(root / "other", dict(reversed(files.items())))
    for number, path in enumerate(other.iterdir()):
        os.utime(path, (number, number))
        path.chmod(0o700)
    assert packed(one) == packed(other)


TRAINER = [
    "adapter_config.json", "adapter_model.safetensors", "README.md", "optimizer.pt", "scheduler.pt", "rng_state.pth",
    "trainer_state.json", "training_args.bin", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
    "events.out.tfevents.1", ".gitattributes", "loss.png",
]  # fmt: skip


def test_of_what_a_trainer_leaves_only_the_adapter_is_packed(tmp_path: Path) -> None:
    folder = fill(tmp_path / "out", dict.fromkeys(TRAINER, b"1"))
    fill(folder / "checkpoint-10", dict.fromkeys(TRAINER, b"2"))
    fill(folder / "runs", {})
    (folder / "latest").symlink_to("checkpoint-10")
    os.mkfifo(folder / "pipe")
    tar = io.BytesIO()
    names = pack(folder, tar)
    assert set(unpacked(tar.getvalue(), tmp_path / "there")) == {
        "adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "tokenizer_config.json",
        "chat_template.jinja",
    }  # fmt: skip
    assert {*TRAINER, "checkpoint-10/optimizer.pt", "runs/", "pipe", "latest/"} <= set(names)


def cached(root: Path) -> Path:
    """A snapshot in the hub's cache, as `hf download` leaves it: of links to blobs."""
    folder = root / "models--acme--triage" / "snapshots" / ("c" * 40)
    (blobs := root / "models--acme--triage" / "blobs").mkdir(parents=True)
    folder.mkdir(parents=True)
    for number, name in enumerate(TRAINER[:2]):
        (blobs / str(number)).write_bytes(name.encode())
        (folder / name).symlink_to(f"../../blobs/{number}")
    return folder


def test_the_links_of_the_hubs_cache_are_followed_and_no_others(tmp_path: Path) -> None:
    folder, secret = cached(tmp_path / "cache"), tmp_path / "id_rsa"
    assert unpacked(packed(folder), tmp_path / "to") == {name: name.encode() for name in TRAINER[:2]}
    secret.write_text("secret")
    (folder / "training.json").symlink_to(secret)
    with pytest.raises(ArtifactError, match=r"^training\.json is a symbolic link; "):
        packed(folder)


def test_a_folder_beside_that_may_not_be_read_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    secret = tmp_path / "secret"
    secret.mkdir()
    listed = Path.iterdir

    def refused(path: Path) -> Iterator[Path]:
        if path == secret:
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", refused)  # Root may read all.
    assert pack(tmp_path, io.BytesIO()) == ["adapter_config.json", "secret/"]


def test_a_tar_lists_its_files_by_name(tmp_path: Path) -> None:
    files = dict.fromkeys(["zeta", "eta", "b", "a", "mu", "config", "x", "B"], b"1")
    with tarfile.open(fileobj=io.BytesIO(packed(fill(tmp_path / "a", files)))) as tar:
        assert tar.getnames() == sorted(files)


def test_a_tar_says_nothing_of_who_made_it(tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(packed(fill(tmp_path / "a", {"x": b"1"})))) as tar:
        (member,) = tar.getmembers()
    assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (0, 0, 0, "", "")


def test_the_signature_that_is_given_stands_for_the_one_that_lies_there(tmp_path: Path) -> None:
    folder, tar = fill(tmp_path / "folder", {"adapter_config.json": b"{}", SIGNATURE: b"of before"}), io.BytesIO()
    pack(folder, tar, b"given")
    assert unpacked(tar.getvalue(), tmp_path / "there") == {"adapter_config.json": b"{}", SIGNATURE: b"given"}


def test_a_tar_made_by_the_command_line_is_taken(tmp_path: Path) -> None:
    folder = fill(tmp_path / "from", {"x": b"1", "y": b"2"})
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT) as tar:
        tar.add(folder, ".")  # as `tar -c .` does: ./, ./x, ./y
    assert unpacked(made.getvalue(), tmp_path / "to") == {"x": b"1", "y": b"2"}


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path.symlink_to("/etc/passwd"), "x is a symbolic link; put the file itself in its place"),
        (lambda path: path.mkdir(), "x is not a file; an adapter is one flat folder, so move or remove it"),
        (os.mkfifo, "x is not a file; an adapter is one flat folder, so move or remove it"),
    ],
)
def test_what_is_no_plain_file_is_not_packed(tmp_path: Path, make: object, sentence: str) -> None:
    (tmp_path / "from").mkdir()
    assert callable(make)
    make(tmp_path / "from" / "x")
    with pytest.raises(ArtifactError) as caught:
        packed(tmp_path / "from")
    assert str(caught.value) == sentence


@pytest.mark.parametrize("name", ["missing", "file"])
def test_what_is_no_folder_is_not_packed(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError) as caught:
        packed(tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name} is not a folder; give the folder that holds adapter_config.json"


def test_the_limits_themselves_are_taken(tmp_path: Path) -> None:
    files = {str(number): b"x" * 10 for number in range(MAX_FILES)}
    assert unpacked(packed(fill(tmp_path / "from", files)), tmp_path / "to", limit=10 * MAX_FILES) == files


@pytest.mark.parametrize("kind", KINDS)
@given(FILES, st.sampled_from(["", "./", "top/", "./top/"]))
@settings(deadline=None, max_examples=25)
def test_every_kind_of_archive_is_unpacked_flat(
    tmp_path_factory: pytest.TempPathFactory, kind: str, files: dict[str, bytes], top: str
) -> None:
    made = KINDS[kind]({top + name: content for name, content in files.items()})
    assert unpacked(made, tmp_path_factory.mktemp("archive") / "to") == files


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("folders", [["top"], ["./top"], [".", "./top"]])
def test_a_folder_that_was_packed_itself_is_taken_as_that_folder(tmp_path: Path, kind: str, folders: list[str]) -> None:
    made = KINDS[kind]({"top/x": b"1", "top/y": b"2"}, folders=folders)
    assert unpacked(made, tmp_path / "to") == {"x": b"1", "y": b"2"}


@pytest.mark.parametrize("kind", KINDS)
def test_what_macos_adds_by_itself_is_left_out(tmp_path: Path, kind: str) -> None:
    added = {"top/.DS_Store": b"?", "top/._x": b"?", "__MACOSX/top/._x": b"?", "__MACOSX/._top": b"?"}
    made = KINDS[kind]({"top/x": b"1", **added}, folders=["top", "__MACOSX", "__MACOSX/top"])
    assert unpacked(made, tmp_path / "to") == {"x": b"1"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_may_be_as_large_as_the_limit_and_no_larger(tmp_path: Path, kind: str) -> None:
    assert unpacked(KINDS[kind]({"x": bytes(LIMIT)}), tmp_path / "to") == {"x": bytes(LIMIT)}
    with pytest.raises(ArtifactError, match="larger than 1 MiB"):
        unpacked(KINDS[kind]({"x": bytes(LIMIT), "y": b"1"}), tmp_path / "other")


def test_a_stored_zip_is_taken(tmp_path: Path) -> None:
    assert unpacked(as_zip({"x": b"1"}, method=zipfile.ZIP_STORED), tmp_path / "to") == {"x": b"1"}


def test_archives_are_known_by_how_they_begin() -> None:
    for make in KINDS.values():
        assert is_archive(io.BytesIO(make({"x": b"1"})))
    assert is_archive(io.BytesIO(as_tar({"x": b"1"}, form=tarfile.GNU_FORMAT)))
    assert is_archive(io.BytesIO(as_zip({})))
    for other in (b"", b"PK", b"{}" * 600, bytes(1024), b"\x80\x04N." * 300):
        assert not is_archive(io.BytesIO(other))


def test_a_file_that_was_looked_at_can_still_be_unpacked(tmp_path: Path) -> None:
    archive = io.BytesIO(as_tar({"x": b"1"}))
    assert is_archive(archive)
    unpack(archive, tmp_path, LIMIT, wanted=anything)
    assert read(tmp_path) == {"x": b"1"}
