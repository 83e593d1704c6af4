"""A run that was ended goes on as if nothing had happened."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from postil.registry.training.checkpoints import RUN, TRAINER, claim, finish, found_in, newest
from postil.registry.training.dataset import Example
from postil.registry.training.errors import OutFolderError
from postil.registry.training.files import workplace
from postil.registry.training.options import TrainOptions
from postil.registry.training.report import Judged, Part, TrainReport, measure
from postil.registry.training.train import train
from tests.registry.training.test_train import Diary, options
from tests.support.paths import ROOT

# A run that tells its steps, to be killed by whoever reads them.
CHILD = """
import sys
from postil.registry.training.options import TrainOptions
from postil.registry.training.progress import Silent
from postil.registry.training.train import train
class Told(Silent):
    def stepped(self, step, loss):
        print(step, flush=True)
train(TrainOptions.model_validate_json(sys.stdin.read()), Told())
"""
MORE = {"noise": 0.5, "dropout": 0.1, "parts": 3, "batch_size": 4, "accumulation": 2, "patience": 4}
STEPS = 16


class Ended(Diary):
    """Ends the run at a step, as a person does who presses Ctrl-C."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self._step = step

    def stepped(self, step: int, loss: float) -> None:
        super().stepped(step, loss)
        if step == self._step:
            raise KeyboardInterrupt


def files(out: Path) -> list[bytes]:
    return [(out / name).read_bytes() for name in ("adapter_model.safetensors", "adapter_config.json")]


def figures(report: TrainReport) -> dict[str, Any]:
    return report.model_dump(exclude={"seconds"})


@pytest.fixture
def whole(tiny_base: Path, data: tuple[Path, Path], tmp_path: Path) -> tuple[TrainOptions, TrainReport]:
    """A run that nobody ended, and its options."""
    chosen = options(tiny_base, data, tmp_path / "whole", **MORE)
    return chosen, train(chosen)


@pytest.mark.tune
def test_a_run_that_is_killed_at_any_step_goes_on_and_ends_with_the_same_bytes(
    whole: tuple[TrainOptions, TrainReport], tmp_path: Path
) -> None:
    chosen, report = whole
    again, step = chosen.model_copy(update={"out": tmp_path / "killed"}), random.randrange(1, STEPS)
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child:
        child.stdin.write(again.model_dump_json())
        child.stdin.close()
        for line in child.stdout:
            if int(line) == step:
                os.kill(child.pid, signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    diary = Diary()
    assert figures(train(again, diary)) == figures(report), f"killed at step {step}"
    assert files(again.out) == files(chosen.out), f"killed at step {step}"
    assert len(diary.losses) == STEPS - (step - 1) // 2 * 2
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".postil")) == []


@pytest.mark.tune
def test_a_run_that_is_ended_again_and_again_comes_to_the_same_end(
    whole: tuple[TrainOptions, TrainReport], tmp_path: Path
) -> None:
    chosen, report = whole
    again = chosen.model_copy(update={"out": tmp_path / "deep" / "ended"})
    for step in (1, 4, 9, 11):
        with pytest.raises(KeyboardInterrupt):
            train(again, Ended(step))
        (folder,) = (tmp_path / "deep").iterdir() if step > 1 else [None]
        if folder is None:
            assert not (tmp_path / "deep").exists()
        else:
            assert len([*(folder / TRAINER).iterdir()]) <= 2
    assert figures(train(again)) == figures(report)
    assert files(again.out) == files(chosen.out)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["ended"]


@pytest.mark.tune
def test_other_options_begin_anew(tiny_base: Path, data: tuple[Path, Path], tmp_path: Path) -> None:
    chosen = options(tiny_base, data, tmp_path / "out", parts=4)
    with pytest.raises(KeyboardInterrupt):
        train(chosen, Ended(5))
    diary = Diary()
    train(chosen.model_copy(update={"seed": 1}), diary)
    assert len(diary.losses) == diary.steps


@pytest.mark.tune
def test_training_ends_when_validations_no_longer_improve_and_the_figure_is_that_of_the_weights(
    tiny_base: Path, data: tuple[Path, Path], tmp_path: Path
) -> None:
    from postil.registry.base_model.model import read_base
    from postil.registry.training.evaluate import Files, evaluate

    diary = Diary()
    chosen = options(tiny_base, data, tmp_path / "out", epochs=20, parts=4, patience=2, schedule="constant")
    report = train(chosen, diary)
    assert len(diary.losses) < diary.steps
    ranked = [(part.accuracy, -part.loss) for part in report.parts]
    assert ranked.index(max(ranked)) == len(ranked) - 3
    assert (report.accuracy, -report.adapter_metrics.loss) == max(ranked)
    found = evaluate(tmp_path / "out", Files(data[1]), read_base(tiny_base, "example/tiny"))
    assert found.adapter_metrics.loss == pytest.approx(report.adapter_metrics.loss, rel=1e-3)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """The workplace of a run."""
    with workplace(tmp_path / "out", 10) as folder:
        yield folder


def checkpoint(place: Path, step: int) -> Path:
    folder = place / TRAINER / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    return folder


EXAMPLES = [Example("Sort.", "wrong invoice", "billing", 1), Example("Sort.", "sore throat", "symptoms", 2)]
JUDGED = [Judged(EXAMPLES[0], "billing", 0.1 + 0.2, 1 / 3), Judged(EXAMPLES[1], "billing", 0.7, 2.5)]


def done(folder: Path) -> None:
    finish(folder, measure(JUDGED, None), JUDGED, [Part(epoch=0.5, loss=1.0, accuracy=0.5)], 1)


def test_only_a_whole_checkpoint_counts(place: Path) -> None:
    run = {"options": {"rank": 8}}
    assert claim(place, run) is None
    done(checkpoint(place, 8))
    done(checkpoint(place, 10))
    checkpoint(place, 12)
    found = claim(place, run)
    assert found is not None
    assert found.name == "checkpoint-10"
    metrics, best, parts, waited = found_in(found, EXAMPLES)
    assert (metrics, best, waited) == (measure(JUDGED, None), JUDGED, 1)
    assert parts == [Part(epoch=0.5, loss=1.0, accuracy=0.5)]


@pytest.mark.parametrize("left", [json.dumps({"options": {"rank": 4}}).encode(), b"\xff", None])
def test_a_checkpoint_of_another_run_is_forgotten(place: Path, left: bytes | None) -> None:
    done(checkpoint(place, 8))
    if left is not None:
        (place / RUN).write_bytes(left)
    assert claim(place, {"options": {"rank": 8}}) is None
    assert newest(place) is None


def test_two_processes_do_not_train_into_one_folder(place: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(OutFolderError, match=r"another process trains for .*out; wait for it"),
        workplace(tmp_path / "out", 10),
    ):
        pytest.fail("it has begun")
    assert place.is_dir()


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), MemoryError(), OSError(errno.ENOSPC, "No space left on device")]
)
def test_what_an_ended_run_left_beside_its_checkpoints_is_cleared(tmp_path: Path, error: BaseException) -> None:
    def ended() -> None:
        with workplace(tmp_path / "out", 10) as folder:
            done(checkpoint(folder, 8))
            (folder / "adapter").mkdir()
            (folder / "other").touch()
            raise error

    with pytest.raises(type(error)):
        ended()
    with workplace(tmp_path / "out", 10) as folder:
        assert newest(folder) is not None
        assert sorted(path.name for path in folder.iterdir()) == ["lock", TRAINER]
    assert [*tmp_path.iterdir()] == []


def test_an_error_before_the_first_whole_checkpoint_leaves_nothing(tmp_path: Path) -> None:
    def ended() -> None:
        with workplace(tmp_path / "out", 10) as folder:
            checkpoint(folder, 8)
            raise MemoryError

    with pytest.raises(MemoryError):
        ended()
    assert [*tmp_path.iterdir()] == []
