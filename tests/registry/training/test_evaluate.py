"""An adapter that is there already is measured, and what was fitted stays beside it."""

from __future__ import annotations

import errno
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from postil.registry.base_model.model import BaseModel, read_base
from postil.registry.errors import DatasetError, PreflightError
from postil.registry.training.dataset import load
from postil.registry.training.errors import OutFolderError
from postil.registry.training.evaluate import Files, allowed_labels, evaluate, known_labels
from postil.registry.training.options import TrainOptions
from postil.registry.training.promises import Wanted
from postil.registry.training.stress import StressFiles
from postil.registry.training.train import train
from tests.fakes.adapters import BASE_ID, write_adapter, write_base
from tests.registry.preflight.bad_adapters import good_config, good_tensors, write


@pytest.fixture
def base(tmp_path: Path) -> BaseModel:
    """A base of headers alone."""
    return read_base(write_base(tmp_path / "base"), BASE_ID)


def examples(path: Path, labels: Sequence[str]) -> Path:
    """One example for each of the labels."""
    rows = [
        {"instruction": "Sort.", "input": f"m{n}", "output": json.dumps({"category": label})}
        for n, label in enumerate(labels)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.tune
def test_what_was_trained_here_is_measured_as_it_was_by_its_training(
    tiny_base: Path, data: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    report = train(
        TrainOptions(data=data[0], validation=data[1], base=tiny_base, base_id="tiny", out=out, learning_rate=2e-2)
    )
    (out / "training.json").write_text(json.dumps({**json.loads((out / "training.json").read_text()), "kept": 1}))
    found = evaluate(out, Files(data[1]), read_base(tiny_base, "tiny"))
    assert found.adapter_metrics == report.adapter_metrics
    assert found.base_metrics == report.base_metrics
    assert found.calibration == report.calibration
    assert found.calibration.answers == 20
    assert found.predictions[0].answers == report.predictions[0].answers
    assert [one.file["file"] for one in found.predictions] == ["validation.jsonl"]
    assert found.forgetting is not None
    assert (found.forgetting.prompts, report.forgetting) == (24, None)
    assert found.forgetting.kl > 0
    written = json.loads((out / "training.json").read_text())
    assert (written["kept"], written["parts"]) == (1, [part.model_dump() for part in report.parts])
    assert written["calibration"] == found.calibration.model_dump()
    assert sorted(path.name for path in out.iterdir()) == [
        "adapter_config.json", "adapter_model.safetensors", "training.json",
    ]  # fmt: skip


@pytest.mark.tune
def test_one_that_was_trained_elsewhere_gets_its_first_report(
    tiny_base: Path, data: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    train(TrainOptions(data=data[0], validation=data[1], base=tiny_base, out=out, epochs=1))
    (out / "training.json").write_text("{")
    rejected = examples(tmp_path / "held-out.jsonl", ["symptoms", "billing", "other", "symptoms"])
    found = evaluate(out, Files(rejected), read_base(tiny_base, "tiny"), reject="other")
    assert (found.labels, found.reject) == (("billing", "symptoms"), "other")
    assert found.adapter_metrics.examples == 3
    assert found.confidence.rejects == 1
    assert json.loads((out / "training.json").read_text()) == found.model_dump(mode="json")


@pytest.mark.tune
def test_with_the_training_rows_it_stands_beside_a_linear_model_and_a_base_that_is_shown_some(
    tiny_base: Path, data: tuple[Path, Path], tmp_path: Path
) -> None:
    out, base = tmp_path / "out", read_base(tiny_base, "tiny")
    train(TrainOptions(data=data[0], validation=data[1], base=tiny_base, out=out, epochs=1))
    fitted = examples(tmp_path / "calibration.jsonl", ["symptoms", "billing"] * 12)
    texts = tmp_path / "texts.jsonl"
    texts.write_text('{"text": "Nice weather."}\n{"text": "xyz"}\n')
    files = Files(data[1], fitted, data[0], StressFiles(seed=0, no_label=texts))
    seen = Seen()
    found = evaluate(out, files, base, wanted=Wanted(critical=("billing",)), onlooker=seen)
    assert seen.total == seen.done == 3 * 20 + 24 + 3 * 20 + 2
    assert found.stress is not None
    assert [(one.way, one.rows) for one in found.stress.written] == [("keyboard", 20), ("casing", 20), ("phone", 20)]
    assert [(one.kind, one.rows) for one in found.stress.strange] == [("no label", 2)]
    assert (found.stress.minimum, found.adapter_metrics.examples) == (found.confidence.minimum, 20)
    assert found.linear is not None
    assert found.linear.metrics.accuracy == 1.0
    assert found.linear.comparison.rows == 20
    assert found.few_shot_metrics is not None
    assert found.few_shot_metrics != found.base_metrics
    assert found.calibration.answers == 24
    assert [one.file["file"] for one in found.predictions] == ["validation.jsonl", "calibration.jsonl"]
    assert [(one.label, one.rows) for one in found.promises] == [(None, 24), ("billing", 12)]
    assert found.notes == ("the epoch was chosen on validation.jsonl, the file of the figures: they are better than on"
                           " new messages",)  # fmt: skip
    shorter = evaluate(out, replace(files, calibration=None, stress=StressFiles()), base, window=150)
    assert (shorter.few_shot_metrics, shorter.stress) == (None, None)


class Seen:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.total = self.done = 0

    def started(self, answers: int) -> None:
        self.total = answers

    def answered(self, more: int) -> None:
        self.done += more


def test_rows_of_the_figures_may_not_fit_the_threshold_or_train_the_linear_model(
    base: BaseModel, tmp_path: Path
) -> None:
    adapter = write_adapter(tmp_path / "adapter")
    data = examples(tmp_path / "data.jsonl", ["a", "b"])
    other = tmp_path / "other.jsonl"
    other.write_text(data.read_text().replace('"m0"', '"new"'))
    said = r"other.jsonl, line 2: the input also occurs in .*data.jsonl, line 2; take it out"
    with pytest.raises(DatasetError, match=said):
        evaluate(adapter, Files(data, calibration=other), base)
    with pytest.raises(DatasetError, match="the input also occurs in"):
        evaluate(adapter, Files(data, training=other), base)
    other.write_text(data.read_text().replace('"m', '"n').replace("category", "kind"))
    with pytest.raises(DatasetError, match=r"answers with 'kind', .*data.jsonl with 'category'; use one field in both"):
        evaluate(adapter, Files(data, calibration=other), base)
    with pytest.raises(DatasetError, match="no row of the critical label 'c'"):
        evaluate(adapter, Files(data), base, wanted=Wanted(critical=("c",)))


def test_figures_on_the_training_rows_are_refused(base: BaseModel, tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "adapter")
    learned = examples(tmp_path / "learned.jsonl", ["a", "b"])
    other = tmp_path / "other.jsonl"
    other.write_text(learned.read_text().replace('"m', '"n'))
    (adapter / "training.json").write_text(json.dumps({"data": {"digest": load(learned).digest}}))
    for files in (Files(learned), Files(other, calibration=learned)):
        with pytest.raises(DatasetError, match=r"learned.jsonl is the file that .*adapter was trained on, .*; name a"):
            evaluate(adapter, files, base)


def test_a_label_that_the_adapter_never_learned_is_refused(base: BaseModel, tmp_path: Path) -> None:
    adapter = write(tmp_path / "adapter", good_tensors(), good_config())
    report = json.dumps({"labels": ["billing", "symptoms"], "options": {"reject": "other"}})
    (adapter / "training.json").write_text(report)
    data = examples(tmp_path / "data.jsonl", ["billing", "other", "card"])
    with pytest.raises(DatasetError, match="'card', for which the adapter was not trained"):
        evaluate(adapter, Files(data), base)
    assert (adapter / "training.json").read_text() == report


@pytest.mark.parametrize(
    ("known", "found"),
    [
        ({"labels": []}, ("billing", "card")),  # By sft, dpo or kto.
        ({"labels": "billing"}, ("billing", "card")),
        ({"labels": ["other", "card", "billing", "lab"]}, ("billing", "card", "lab")),  # Trained without --reject.
    ],
)
def test_labels_are_those_of_the_data_where_the_report_has_none_and_the_reject_label_comes_once(
    tmp_path: Path, known: dict[str, object], found: tuple[str, ...]
) -> None:
    labels = known_labels(known, [load(examples(tmp_path / "data.jsonl", ["billing", "other", "card"]))], "other")
    assert labels == found
    assert allowed_labels(labels, "other") == [*found, "other"]


def test_an_adapter_that_could_not_be_published_is_not_measured(base: BaseModel, tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "adapter")
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    (adapter / "adapter_config.json").write_text(json.dumps({**config, "use_dora": True}), encoding="utf-8")
    with pytest.raises(PreflightError, match="dora"):
        evaluate(adapter, Files(examples(tmp_path / "data.jsonl", ["a", "b"])), base)
    assert not (adapter / "training.json").exists()


def test_where_the_figures_cannot_be_stored_it_is_said_before_the_work(
    base: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    adapter = write_adapter(tmp_path / "adapter")
    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    with pytest.raises(OutFolderError, match=r"cannot be written to \(Permission denied\), and its training.json gets"):
        evaluate(adapter, Files(examples(tmp_path / "a.jsonl", ["a", "b"])), base)
