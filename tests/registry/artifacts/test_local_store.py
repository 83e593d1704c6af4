from __future__ import annotations

import hashlib
import json
import os
import random
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postil.registry.artifacts.local_store import LocalStore, folder_digest
from postil.registry.errors import ArtifactError

NAMES = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
FILES = st.dictionaries(NAMES, st.binary(max_size=20), max_size=4)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """An empty store."""
    return LocalStore.open(tmp_path / "store")


def fill(folder: Path, files: Mapping[str, bytes]) -> Path:
    """A folder of these files, written in their order."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def add(store: LocalStore, files: Mapping[str, bytes]) -> str:
    """Keep these files; returns their digest."""
    with store.incoming() as folder:
        return store.put(fill(folder / "adapter", files))


def everything_under(folder: Path) -> list[str]:
    """The files and folders of a store, by their paths."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@given(FILES, FILES)
@settings(deadline=None, max_examples=60)
def test_digests_are_equal_exactly_where_names_and_bytes_are(
    tmp_path_factory: pytest.TempPathFactory, one: dict[str, bytes], other: dict[str, bytes]
) -> None:
    root = tmp_path_factory.mktemp("digest")
    same = folder_digest(fill(root / "one", one)) == folder_digest(fill(root / "other", other))
    assert same == (one == other)


@given(FILES, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=30)
def test_neither_order_nor_times_nor_modes_change_the_digest(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], chance: object
) -> None:
    root = tmp_path_factory.mktemp("digest")
    first, second = fill(root / "first", files), fill(root / "second", dict(reversed(files.items())))
    for number, path in enumerate(second.iterdir()):
        os.utime(path, (number, number))
        path.chmod(0o600)
    assert folder_digest(first) == folder_digest(second)


def test_a_digest_is_made_as_it_always_was(tmp_path: Path) -> None:
    """Made another way, every artifact that was ever published would be damaged."""
    files = {name: name.encode() for name in ("zeta", "eta", "b", "a", "mu", "config.json", "x", "B")}
    listing = [[name, hashlib.sha256(name.encode()).hexdigest()] for name in sorted(files)]
    known = hashlib.sha256(json.dumps(listing).encode()).hexdigest()
    assert folder_digest(fill(tmp_path / "a", files)) == f"sha256:{known}"


def test_moving_bytes_between_files_changes_the_digest(tmp_path: Path) -> None:
    one = folder_digest(fill(tmp_path / "one", {"a": b"xy", "b": b""}))
    assert one != folder_digest(fill(tmp_path / "two", {"a": b"x", "b": b"y"}))
    assert one != folder_digest(fill(tmp_path / "three", {"a": b"", "b": b"xy"}))


def test_what_is_kept_is_found_under_its_digest(store: LocalStore) -> None:
    digest = add(store, {"a.json": b"{}", "b.safetensors": b"weights"})
    folder = store.verified_path(digest)
    assert digest == folder_digest(folder)
    assert (folder.parent.name, f"{folder.parent.name}:{folder.name}") == ("sha256", digest)
    assert (folder / "b.safetensors").read_bytes() == b"weights"


def test_the_same_files_twice_are_kept_once(store: LocalStore, tmp_path: Path) -> None:
    digest = add(store, {"a": b"1"})
    inode = (store.verified_path(digest) / "a").stat().st_ino
    assert add(store, {"a": b"1"}) == digest
    assert (store.verified_path(digest) / "a").stat().st_ino == inode
    assert len(list((tmp_path / "store" / "sha256").iterdir())) == 1


@pytest.mark.parametrize("harm", ["change", "add", "remove", "rename", "truncate"])
def test_a_damaged_artifact_is_found_and_mended_by_publishing_it_again(store: LocalStore, harm: str) -> None:
    digest = add(store, {"a": b"12", "b": b"3"})
    damage(store.verified_path(digest), harm)
    with pytest.raises(ArtifactError) as caught:
        store.verified_path(digest)
    assert str(caught.value) == f"artifact {digest[:19]} is damaged on disk; publish it again"
    assert add(store, {"a": b"12", "b": b"3"}) == digest
    assert (store.verified_path(digest) / "a").read_bytes() == b"12"


def damage(folder: Path, harm: str) -> None:
    """Harm an artifact in one of the ways that disks and people have."""
    if harm == "change":
        (folder / "a").write_bytes(b"13")
    elif harm == "truncate":
        (folder / "a").write_bytes(b"1")
    elif harm == "add":
        (folder / "c").write_bytes(b"")
    elif harm == "remove":
        (folder / "b").unlink()
    else:
        (folder / "b").rename(folder / "c")


def test_an_artifact_that_is_missing_is_named(store: LocalStore) -> None:
    digest = "sha256:" + "0" * 64
    with pytest.raises(ArtifactError) as caught:
        store.verified_path(digest)
    assert str(caught.value) == "artifact sha256:000000000000 is missing from the store; publish it again"


def test_an_interrupted_publish_leaves_nothing(store: LocalStore, tmp_path: Path) -> None:
    with suppress(KeyError), store.incoming() as folder:
        fill(folder / "adapter", {"a": b"1"})
        raise KeyError
    assert everything_under(tmp_path / "store") == ["incoming", "sha256"]
    store.clear_incoming()
    assert everything_under(tmp_path / "store") == ["incoming", "sha256"]


def test_incoming_folders_are_empty_and_apart(store: LocalStore) -> None:
    with store.incoming() as one, store.incoming() as other:
        assert one != other
        assert list(one.iterdir()) == list(other.iterdir()) == []


def test_what_a_crash_left_is_cleared_and_what_is_kept_stays(store: LocalStore, tmp_path: Path) -> None:
    digest = add(store, {"a": b"1"})
    fill(tmp_path / "store" / "incoming" / "crashed", {"half": b""})
    (tmp_path / "store" / "incoming" / "before-it-began.lock").touch()
    store.clear_incoming()
    assert store.verified_path(digest).is_dir()
    assert list((tmp_path / "store" / "incoming").iterdir()) == []


def test_a_store_is_found_again(store: LocalStore, tmp_path: Path) -> None:
    digest = add(store, {"a": b"1"})
    assert LocalStore.open(tmp_path / "store").verified_path(digest).is_dir()


def test_two_who_keep_the_same_files_at_once_both_succeed(store: LocalStore) -> None:
    files = {str(number): b"x" * number for number in range(30)}
    start, found = threading.Barrier(4), list[str]()

    def keep() -> None:
        with store.incoming() as folder:
            made = fill(folder / "adapter", files)
            start.wait()
            found.append(store.put(made))

    threads = [threading.Thread(target=keep) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert {store.verified_path(digest).name for digest in found} == {found[0].removeprefix("sha256:")}


def test_what_somebody_is_at_work_on_is_not_cleared(store: LocalStore, tmp_path: Path) -> None:
    with store.incoming() as folder:
        fill(folder / "adapter", {"a": b"1"})
        LocalStore.open(tmp_path / "store").clear_incoming()
        assert store.verified_path(store.put(folder / "adapter")).is_dir()
    assert list((tmp_path / "store" / "incoming").iterdir()) == []


def test_a_lock_that_was_cleared_away_before_it_was_held_is_made_anew(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The instant between making the lock file and holding it, which chance hardly ever hits."""
    import fcntl

    flock, cleared = fcntl.flock, list[int]()

    def clear_first(descriptor: int, how: int) -> None:
        if not cleared:
            cleared.append(descriptor)
            LocalStore.open(tmp_path / "store").clear_incoming()
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", clear_first)
    with store.incoming() as folder:
        assert cleared
        store.clear_incoming()
        assert folder.is_dir()


# Another process at work in the same folder: it says when it has come somewhere, and waits for a word to go on.
PUBLISHER = """
import sys
from pathlib import Path
from postil.registry.artifacts.local_store import LocalStore

store, last = LocalStore.open(Path(sys.argv[1])), ""
with store.incoming() as folder:
    (folder / "a").write_bytes(b"1")
    print(folder, flush=True)
    sys.stdin.readline()
    print(store.put(folder), flush=True)
"""
REPEATER = """
import sys
from pathlib import Path
from postil.registry.artifacts.local_store import LocalStore

store = LocalStore.open(Path(sys.argv[1]))
while True:
    for number in range(int(sys.argv[2])):
        with store.incoming() as folder:
            for name in "abcdef":
                (folder / name).write_bytes(name.encode() * 1000 * (number + 1))
            print(store.put(folder), flush=True)
"""


@contextmanager
def another(script: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A process that runs ``script``; it is killed at the end of the block."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def line(stream: IO[str] | None) -> str:
    """The next line that a process says."""
    assert stream is not None
    return stream.readline().strip()


def test_of_two_processes_only_what_the_killed_one_left_is_cleared(tmp_path: Path) -> None:
    root = tmp_path / "store"
    with another(PUBLISHER, root) as living, another(PUBLISHER, root) as killed:
        kept, left = Path(line(living.stdout)), Path(line(killed.stdout))
        LocalStore.open(root).clear_incoming()
        assert (kept.is_dir(), left.is_dir()) == (True, True)
        killed.kill()
        killed.wait()
        assert left.is_dir()
        LocalStore.open(root).clear_incoming()
        assert (kept.is_dir(), left.exists()) == (True, False)
        assert living.stdin is not None
        print("go on", file=living.stdin, flush=True)
        digest = line(living.stdout)
        assert living.wait() == 0
    assert everything_under(root) == sorted(
        ["incoming", "keeping.lock", "sha256", f"sha256/{digest[7:]}", f"sha256/{digest[7:]}/a"]
    )


def test_what_a_killed_process_said_it_kept_is_kept(tmp_path: Path) -> None:
    """Two processes keep the same files over and over, one of them killed at any instant, while a third clears."""
    root, chance = tmp_path / "store", random.Random(0)
    store = LocalStore.open(root)
    with another(REPEATER, root, 3) as steady:
        for _ in range(8):
            with another(REPEATER, root, 3) as killed:
                said = [line(killed.stdout) for _ in range(chance.randrange(1, 12))]
                killed.kill()
            store.clear_incoming()
            assert {store.verified_path(digest).name for digest in said} == {digest[7:] for digest in said}
            assert line(steady.stdout)
            assert steady.poll() is None
    store.clear_incoming()
    assert list((root / "incoming").iterdir()) == []


def test_many_who_mend_the_same_damage_at_once_never_take_it_away(store: LocalStore) -> None:
    files = {str(number): b"x" * 1000 for number in range(5)}
    folder = store.verified_path(add(store, files))
    (folder / "0").write_bytes(b"damaged")
    at_once(4, lambda: store.verified_path(add(store, files)))


def test_a_copy_of_which_a_file_goes_while_it_is_read_is_damaged_and_can_be_mended(store: LocalStore) -> None:
    files = {"0": b"x", "1": b"y"}
    digest = add(store, files)
    gone = store.verified_path(digest) / "1"
    gone.unlink()
    gone.symlink_to("absent")  # As a file that was listed, and is removed before it is opened.
    with pytest.raises(ArtifactError, match="is damaged on disk; publish it again"):
        store.verified_path(digest)
    assert add(store, files) == digest
    assert (store.verified_path(digest) / "1").read_bytes() == b"y"


def at_once(number: int, act: Callable[[], object]) -> None:
    """Do the same in many threads; the first error of any is raised."""
    start, errors = threading.Barrier(number), list[Exception]()

    def run() -> None:
        start.wait()
        try:
            act()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@pytest.mark.parametrize(("shared", "folder", "file"), [(False, 0o700, 0o600), (True, 0o770, 0o660)])
def test_what_is_kept_is_its_owners_alone_whatever_the_archive_said(
    tmp_path: Path, shared: bool, folder: int, file: int
) -> None:
    before = os.umask(0)
    try:
        store = LocalStore.open(tmp_path / "private", shared=shared)
        with store.incoming() as place:
            (place / "weights").write_text("x")
            (place / "weights").chmod(0o777)
            store.put(place)
    finally:
        os.umask(before)
    made = [tmp_path / "private", *(tmp_path / "private").rglob("*")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_dir()} == {folder}
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_file()} == {file}
