"""The process of a job with the real libraries: free text and preferences are learned, also after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from postil.registry.base_model.model import BaseModel, read_base
from postil.registry.defaults import REPORT
from postil.registry.fsutil import sha256_file
from postil.registry.jobs import folder
from postil.registry.jobs.methods import Method
from postil.registry.jobs.options import JobOptions, train_options
from postil.registry.jobs.progress import Done, Measured, Message, Started, Stepped, decode
from postil.registry.preflight.preflight import WEIGHTS
from tests.registry.jobs.data import answers, preferences, text, written
from tests.registry.training.conftest import tiny_base as tiny_base

pytestmark = pytest.mark.tune
ASKED = JobOptions(n_epochs=2, batch_size=2, lora_r=4)


def prepared(place: Path, base: BaseModel, method: Method) -> Path:
    """A job's folder with data and options."""
    rows = written(place.parent / f"{method}.jsonl", text(answers() if method == "sft" else preferences()))
    folder.prepare(place, rows, None, seed=7, reject=None, method=method)
    told = train_options(ASKED, place, base, method=folder.method_in(place), seed=7, window=None, device="cpu")
    folder.write_options(place, told)
    return place


@contextmanager
def running(place: Path) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """The process that trains what is in a folder, and what it tells."""
    heard, told = os.pipe()
    arguments = [str(place), str(told), str(os.getpid()), str(16 << 30)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(place.parent)}
    command = [sys.executable, "-m", "postil.registry.jobs.trainer", *arguments]
    with subprocess.Popen(command, pass_fds=[told], env=environment) as process, open(heard, "rb") as pipe:
        os.close(told)
        yield process, pipe


def done(place: Path) -> list[Message]:
    """What a process told that went on to its end."""
    with running(place) as (process, pipe):
        said = [decode(line) for line in pipe]
        assert process.wait() == 0
    return said


def test_free_text_is_learned(tmp_path: Path, tiny_base: Path) -> None:
    said = done(place := prepared(tmp_path / "job", read_base(tiny_base, "example/tiny"), "sft"))
    assert Started(8, None) in said
    assert sum(isinstance(one, Measured) for one in said) == 2
    [end] = [one for one in said if isinstance(one, Done)]
    assert (end.accuracy, end.base_accuracy) == (None, None)
    report = json.loads((place / "result" / REPORT).read_text())
    assert end.loss == report["trained"]["answers"]["loss"] < report["before"]["answers"]["loss"]


def test_a_killed_job_of_preferences_goes_on_to_the_same_adapter(tmp_path: Path, tiny_base: Path) -> None:
    base = read_base(tiny_base, "example/tiny")
    whole, killed = (prepared(tmp_path / name / "job", base, "dpo") for name in ("whole", "killed"))
    [end] = [one for one in done(whole) if isinstance(one, Done)]
    assert end.accuracy is not None
    assert end.loss is None
    with running(killed) as (process, pipe):
        for line in pipe:
            told = decode(line)
            if isinstance(told, Stepped) and told.step == 6:  # After the checkpoint of the first epoch.
                process.send_signal(signal.SIGKILL)
    steps = [one.step for one in done(killed) if isinstance(one, Stepped)]
    assert steps[0] > 1, "it began anew"
    assert sha256_file(killed / "result" / WEIGHTS) == sha256_file(whole / "result" / WEIGHTS)
