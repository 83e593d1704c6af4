"""The process that trains: it tells its progress, and why it cannot go on, in one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from postil.registry.base_model.model import BaseModel
from postil.registry.errors import DatasetError, JobError
from postil.registry.jobs import folder
from postil.registry.jobs.options import JobOptions, train_options
from postil.registry.jobs.progress import BUSY, Began, Done, Failed, Measured, Message, Started, Stepped, decode, encode
from postil.registry.jobs.trainer import Teller, train_as_asked, work
from postil.registry.training.calibration import Calibration
from postil.registry.training.errors import FolderBusyError
from postil.registry.training.methods import report as method_report
from postil.registry.training.methods.options import MethodOptions
from postil.registry.training.methods.report import Answers, MethodReport
from postil.registry.training.options import TrainOptions
from postil.registry.training.report import ConfidenceAdvice, Metrics, TrainReport

METRICS = Metrics(examples=4, right=3, accuracy=0.75, loss=0.5, labels={})


def report(options: TrainOptions) -> TrainReport:
    """What a training run would report."""
    return TrainReport(
        base=options.base_name,
        field="category",
        labels=("a", "b"),
        reject=None,
        instruction="",
        validation={},
        base_metrics=METRICS.model_copy(update={"accuracy": 0.5}),
        adapter_metrics=METRICS,
        calibration=Calibration.model_construct(),
        confidence=ConfidenceAdvice(minimum=0, right_below=0, wrong_below=0, rejects=0, rejects_below=0),
        mistakes=(),
        accuracy=0.75,
        data={},
        options={},
        libraries={},
        parts=(),
        parameters=1,
        seconds=1.0,
    )


def answered(loss: float) -> Answers:
    """What a model makes of free text."""
    return Answers(rows=2, tokens=9, loss=loss, token_accuracy=0.5, exact=0.0)


def trained(options: TrainOptions, watcher: Teller) -> TrainReport:
    """A run that goes well."""
    watcher.began()
    watcher.started(METRICS, 2)
    watcher.stepped(1, 0.25)
    watcher.measured(1.00004, METRICS, True)
    return report(options)


def raising(error: Exception) -> Callable[[TrainOptions, Teller], TrainReport]:
    """A run that fails."""

    def act(options: TrainOptions, watcher: Teller) -> TrainReport:
        raise error

    return act


@pytest.fixture
def place(base: BaseModel, tmp_path: Path) -> Path:
    """The folder of a job whose data is not there."""
    made = tmp_path / "job"
    made.mkdir()
    folder.write_options(
        made, train_options(JobOptions(), made, base, method="classify", seed=1, window=None, device="cpu")
    )
    return made


def test_a_run_tells_what_happens_and_how_it_ended(place: Path) -> None:
    told: list[Message] = []
    assert work(place, told.append, trained)
    assert told == [Began(), Started(2, 0.75), Stepped(1, 0.25), Measured(1.0, 0.5, 0.75, True), Done(0.75, 0.5, 0.5)]
    assert [decode(encode(message).rstrip()) for message in told] == told


def test_what_cannot_be_done_is_told_without_paths(place: Path) -> None:
    told: list[Message] = []
    assert not work(place, told.append, raising(DatasetError(f"{place}/training.jsonl, line 3: too long; shorten it")))
    assert told == [Failed("training.jsonl, line 3: too long; shorten it", "invalid_training_data")]


def test_the_trainer_is_the_one_that_the_options_name(place: Path) -> None:
    told: list[Message] = []
    assert not work(place, told.append, train_as_asked)
    (failed,) = told
    assert isinstance(failed, Failed)
    assert "training.jsonl cannot be read" in failed.message
    assert failed.code == "invalid_training_data"


def test_a_run_without_labels_tells_losses_and_no_row(base: BaseModel, tmp_path: Path) -> None:
    options = train_options(JobOptions(), tmp_path, base, method="sft", seed=1, window=None, device="cpu")
    folder.write_options(tmp_path, options)

    def learned(options: TrainOptions, teller: Teller) -> MethodReport:
        assert isinstance(options, MethodOptions)
        teller.said("a LoRA is served exactly as it was trained")
        teller.showed("row 1: a secret")
        teller.begins(4)
        teller.looked(1.0, 0.5, True)
        before, after = (method_report.Measured(answers=answered(loss)) for loss in (2.0, 0.5))
        return MethodReport.model_construct(before=before, trained=after, served=None)

    told: list[Message] = []
    assert work(tmp_path, told.append, learned)
    assert told == [Started(4, None), Measured(1.0, 0.5, None, True), Done(None, None, 0.5)]


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_the_job_with_the_remedy(place: Path, loss: float) -> None:
    def stepping(options: TrainOptions, watcher: Teller) -> TrainReport:
        watcher.stepped(1, loss)
        return report(options)

    told: list[Message] = []
    assert not work(place, told.append, stepping)
    assert told == [Failed("the loss is no number; lower learning_rate_multiplier", "loss_is_no_number")]
    assert decode(b'{"type": "stepped", "step": 1, "loss": null}') == Stepped(1, None)


def test_a_folder_in_which_another_process_works_is_told_as_busy(place: Path) -> None:
    told: list[Message] = []
    assert not work(place, told.append, raising(FolderBusyError(f"another process trains for {place}/result; wait")))
    assert told == [Failed("another process trains for result; wait", BUSY)]


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory")]
)
def test_too_little_memory_is_told_with_the_remedy(place: Path, error: Exception) -> None:
    told: list[Message] = []
    assert not work(place, told.append, raising(error))
    [failed] = told
    assert isinstance(failed, Failed)
    assert (failed.code, "POSTIL_TRAINING_MEMORY_MIB" in failed.message) == ("out_of_memory", True)


def test_a_fault_of_the_libraries_ends_the_process_with_its_stack(place: Path) -> None:
    with pytest.raises(RuntimeError, match="shapes do not match"):
        work(place, lambda message: None, raising(RuntimeError("shapes do not match")))


def test_what_makes_no_sense_is_refused() -> None:
    for line in (b"no json", b'{"type": "other"}', b"\xff"):
        with pytest.raises(JobError):
            decode(line)


def test_the_process_tells_through_its_channel_and_says_how_it_ended_by_its_status(place: Path) -> None:
    out, into = os.pipe()
    with os.fdopen(out, "rb") as told:
        command = [sys.executable, "-m", "postil.registry.jobs.trainer", str(place), str(into), str(os.getpid())]
        done = subprocess.run([*command, str(8 << 30)], pass_fds=(into,), check=False, timeout=120)
        os.close(into)
        message = decode(told.readline().rstrip())
    assert done.returncode == 1
    assert message == Failed(
        "training.jsonl cannot be read (No such file or directory); check the path", "invalid_training_data"
    )
