"""Training files are read in a process of their own: what takes too much of anything is refused, and nothing waits."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from postil.registry.errors import JobError
from postil.registry.jobs import apart
from postil.registry.jobs.apart import BoundedReading, Count, Ended, Prepare, work_on
from tests.registry.jobs.data import chat, chats, text, written


def refused(work: BoundedReading, path: Path) -> JobError:
    """The error with which a file is refused."""
    with pytest.raises(JobError) as error:
        work.count_rows(path, "data.jsonl")
    return error.value


def test_a_file_is_counted_and_prepared_elsewhere_as_it_is_here(tmp_path: Path) -> None:
    path = written(tmp_path / "a", text(chats()))
    assert BoundedReading().count_rows(path, "a") == 25
    assert BoundedReading().prepare(tmp_path / "job", path, None, seed=1, reject=None) == (20, 5)
    first, second = written(tmp_path / "b", text(chats()[::2])), written(tmp_path / "c", text(chats()[1::2]))
    assert BoundedReading().prepare(tmp_path / "job", first, second, seed=1, reject="billing") == (13, 12)


def test_what_is_wrong_is_told_as_here(tmp_path: Path) -> None:
    error = refused(BoundedReading(), written(tmp_path / "a", "no json\n"))
    assert (str(error).split(":")[0], error.param) == ("data.jsonl, line 1", "file")
    with pytest.raises(JobError, match="not on this gateway's disk"):
        BoundedReading().prepare(tmp_path / "job", tmp_path / "nothing", None, seed=1, reject=None)


def test_labels_of_100_kb_in_2000_rows_are_refused_in_little_memory(tmp_path: Path) -> None:
    rows = [chat("same", json.dumps({"category": "x" * 100_000})), *(chat("same", "{}") for _ in range(2000))]
    path = written(tmp_path / "a", text(rows))
    with pytest.raises(JobError, match="line 1: the label has 100000 characters") as error:
        BoundedReading(memory=256 << 20).prepare(tmp_path / "job", path, None, seed=1, reject=None)
    assert len(str(error.value)) < 8000


def test_combining_marks_cost_little_time(tmp_path: Path) -> None:
    marks = "\u0301\u0327" * 15_000
    rows = [chat(f"{letter}{marks}", json.dumps({"category": label})) for letter, label in ("ea", "Eb")]
    with pytest.raises(JobError, match="the input is 'b' here and 'a' in line 1"):
        BoundedReading(seconds=20).prepare(
            tmp_path / "job", written(tmp_path / "a", text(rows)), None, seed=1, reject=None
        )


def test_too_much_memory_is_a_refusal(tmp_path: Path) -> None:
    path = written(tmp_path / "a", text([chat("x" * 1000, "b")] * 200_000))
    error = refused(BoundedReading(memory=200 << 20), path)
    assert (str(error), error.param) == ("reading it takes too much memory; split it, or shorten its texts", "file")


def test_too_much_time_is_a_refusal(tmp_path: Path) -> None:
    path = written(tmp_path / "a", text([chat("x", "b")] * 400_000))
    assert "takes too much time" in str(refused(BoundedReading(seconds=1), path))


def test_what_waits_forever_is_a_refusal(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    assert "takes too much time" in str(refused(BoundedReading(seconds=1, waits=1), tmp_path / "a"))


@pytest.mark.parametrize(
    ("status", "errors", "said"),
    [
        (None, "", "too much time"),
        (-9, "", "too much memory"),
        (1, "...MemoryError", "too much memory"),
        (1, "", "log"),
    ],
)
def test_how_a_process_ended_is_told(status: int | None, errors: str, said: str) -> None:
    assert said in apart._why(status, errors)


def test_a_full_disk_is_told_as_one(tmp_path: Path) -> None:
    path = written(tmp_path / "a", text(chats()))
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="Not a directory") as error:
        BoundedReading().prepare(tmp_path / "file" / "job", path, None, seed=1, reject=None)
    assert error.value.errno == errno.ENOTDIR


def test_the_work_is_done_and_told_in_its_process(tmp_path: Path) -> None:
    path = written(tmp_path / "a", text(chats()))
    assert work_on(Count(str(path), "a")) == Ended((25,))
    assert work_on(Prepare(str(tmp_path / "job"), str(path), None, 1, None)) == Ended((20, 5))
    both = work_on(Prepare(str(tmp_path / "job"), str(path), str(path), 1, None))
    assert (both.counts, both.param) == ((), "training_file")
    assert work_on(Count(str(tmp_path / "nothing"), "a")) == Ended(disk=errno.ENOENT)


def test_the_process_reads_its_work_and_prints_how_it_ended(tmp_path: Path) -> None:
    small = written(tmp_path / "a", text(chats()))
    large = written(tmp_path / "b", text([chat("x" * 1000, "b")] * 200_000))
    for path, ended in (
        (small, Ended((25,))),
        (large, Ended(refused="reading it takes too much memory; split it, or shorten its texts", param="file")),
    ):
        command = [sys.executable, "-m", "postil.registry.jobs.apart", str(os.getpid()), str(200 << 20), "60"]
        done = subprocess.run(
            command, input=msgspec.json.encode(Count(str(path), "a")), stdout=subprocess.PIPE, check=True, timeout=120
        )
        assert msgspec.json.decode(done.stdout, type=Ended) == ended
