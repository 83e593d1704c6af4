"""A whole training run on a tiny model, and what is refused before one."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from postil.registry.errors import BaseModelError, DatasetError
from postil.registry.training.errors import OutFolderError, TuneExtraMissingError
from postil.registry.training.options import TrainOptions
from postil.registry.training.report import Metrics
from postil.registry.training.train import check_libraries, train


@dataclass
class Diary:
    """A watcher that remembers."""

    losses: list[float] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)
    steps: int = 0

    def began(self) -> None:
        self.losses.clear()

    def started(self, base: Metrics, steps: int) -> None:
        self.steps = steps

    def stepped(self, step: int, loss: float) -> None:
        self.losses.append(loss)

    def measured(self, epoch: float, metrics: Metrics, best: bool) -> None:
        self.looks.append(epoch)


def options(tiny_base: Path, data: tuple[Path, Path], out: Path, **changes: Any) -> TrainOptions:
    values: dict[str, Any] = {
        "data": data[0],
        "validation": data[1],
        "base": tiny_base,
        "base_id": "example/tiny",
        "out": out,
        "epochs": 2,
        "learning_rate": 2e-2,
        "batch_size": 8,
        "targets": ("q_proj", "v_proj", "down_proj"),
    }
    return TrainOptions.model_validate(values | changes)


@pytest.mark.tune
def test_training_lowers_the_loss_writes_the_files_and_reports(
    tiny_base: Path, data: tuple[Path, Path], tmp_path: Path
) -> None:
    out, diary = tmp_path / "deep" / "1", Diary()
    report = train(options(tiny_base, data, out, noise=0.2), diary)
    assert diary.steps == len(diary.losses) == 16
    assert sum(diary.losses[-4:]) < 0.7 * sum(diary.losses[:4])
    assert diary.looks == [1.0, 2.0]
    assert sorted(path.name for path in out.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "training.json",
    ]
    assert [path.name for path in out.parent.iterdir()] == ["1"]
    written = json.loads((out / "training.json").read_text())
    assert written == report.model_dump(mode="json")
    assert str(tmp_path) not in (out / "training.json").read_text()
    config = json.loads((out / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["r"]) == ("example/tiny", 8)
    assert report.labels == ("billing", "symptoms")
    assert report.base_metrics.examples == report.adapter_metrics.examples == 20
    assert report.adapter_metrics.accuracy == max(part.accuracy for part in report.parts)
    assert report.bytes == (out / "adapter_model.safetensors").stat().st_size
    with pytest.raises(OutFolderError, match="--overwrite"):
        train(options(tiny_base, data, out))


@pytest.mark.tune
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    tiny_base: Path, data: tuple[Path, Path], tmp_path: Path
) -> None:
    outs = [tmp_path / "a", tmp_path / "b", tmp_path / "c"]
    for out, seed in zip(outs, (1, 1, 2), strict=True):
        train(options(tiny_base, data, out, epochs=1, noise=0.5, seed=seed, half=True))
    first, same, other = (
        [(out / name).read_bytes() for name in ("adapter_model.safetensors", "adapter_config.json")] for out in outs
    )
    assert first == same
    assert first[0] != other[0]


@pytest.mark.tune
def test_probabilities_are_those_of_one_plain_forward_pass(tiny_base: Path, data: tuple[Path, Path]) -> None:
    """The shared beginning, the padding and the walk change nothing of what the model says."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from postil.registry.training.answers import judge
    from postil.registry.training.dataset import load
    from postil.registry.training.prompts import Coder

    validation = load(data[1])
    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    model = AutoModelForCausalLM.from_pretrained(tiny_base)
    coder = Coder(tokenizer, validation.field, validation.examples)
    assert len(coder.shared) > 5
    for judged in judge(model, coder, validation.examples, validation.labels):
        prompt = [*coder.shared, *coder.tail(judged.example), *coder.lead]
        logits = model(torch.tensor([prompt])).logits[0, -1].detach()
        first = [coder.answers[label].ids[len(coder.lead)] for label in validation.labels]
        chances = dict(zip(validation.labels, torch.softmax(logits[first], -1).tolist(), strict=True))
        assert judged.label == max(chances, key=lambda label: chances[label])
        assert judged.probability == pytest.approx(chances[judged.label], rel=1e-3)
        assert judged.loss == pytest.approx(-math.log(chances[judged.example.label]), rel=1e-3)


@pytest.mark.tune
def test_a_reject_label_counts_as_none_of_the_labels(tiny_base: Path, data: tuple[Path, Path], tmp_path: Path) -> None:
    other = json.dumps({"instruction": "Sort.", "input": "??", "output": '{"category": "other"}'})
    for path, text in zip(data, (other, other.replace("??", "!!")), strict=True):
        path.write_text(path.read_text() + text + "\n")
    report = train(options(tiny_base, data, tmp_path / "out", epochs=1, reject="other"))
    assert report.labels == ("billing", "symptoms")
    assert report.confidence.rejects == 1
    for metrics in (report.base_metrics, report.adapter_metrics):
        assert set(metrics.labels) == {"billing", "symptoms"}
        assert metrics.examples == 20
    assert {label for one in report.base_metrics.labels.values() for label in one.answered} <= set(report.labels)


@pytest.mark.tune
def test_other_rows_fit_the_confidence_and_give_the_figures(
    tiny_base: Path, data: tuple[Path, Path], tmp_path: Path
) -> None:
    rows = data[1].read_text().splitlines()
    calibration, held_out = tmp_path / "calibration.jsonl", tmp_path / "held-out.jsonl"
    for path, chosen in ((data[1], rows[::4]), (calibration, rows[1::4]), (held_out, rows[2::4] + rows[3::4])):
        path.write_text("\n".join(chosen) + "\n")
    files = {"calibration": calibration, "held_out": held_out}
    report = train(options(tiny_base, data, tmp_path / "out", epochs=1, **files))
    assert (report.validation["file"], report.adapter_metrics.examples) == ("held-out.jsonl", 10)
    assert report.selection is not None
    assert report.calibrated_on is not None
    assert (report.selection["file"], report.calibrated_on["file"]) == ("validation.jsonl", "calibration.jsonl")
    assert (report.calibration.answers, report.promises[0].rows) == (5, 5)
    assert report.linear is not None
    assert report.linear.comparison.rows == 10
    assert (report.notes, set(report.options) & {"calibration", "held_out"}) == ((), set())
    one = train(options(tiny_base, data, tmp_path / "one", epochs=1))
    assert [note.partition(" on ")[0] for note in one.notes] == [
        "the epoch was chosen", "temperature and minimum were fitted", "the epoch was chosen",
    ]  # fmt: skip
    with pytest.raises(DatasetError, match="the input also occurs in"):
        train(options(tiny_base, data, tmp_path / "none", calibration=held_out, held_out=held_out))


def test_missing_libraries_are_named_with_the_remedy() -> None:
    with pytest.raises(TuneExtraMissingError, match=r"need no_such_library; .* 'postil\[tune\]'"):
        check_libraries(("json", "no_such_library"))


def test_libraries_report_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_DISABLE_TELEMETRY", "DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "0")
    check_libraries(("json",))
    assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == os.environ["DISABLE_TELEMETRY"] == "1"


def test_refusals_come_before_any_work(data: tuple[Path, Path], tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "notes.txt").touch()
    with pytest.raises(OutFolderError, match="not written by postil train"):
        train(options(tmp_path, data, taken, overwrite=True))
    with pytest.raises(DatasetError, match="no example of the reject label"):
        train(options(tmp_path, data, tmp_path / "out", reject="other"))
    with pytest.raises(DatasetError, match="also occurs in"):
        train(options(tmp_path, (data[0], data[0]), tmp_path / "out"))


@pytest.mark.tune
def test_a_folder_without_a_model_is_refused(data: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="holds no config"):
        train(options(tmp_path, data, tmp_path / "out"))
