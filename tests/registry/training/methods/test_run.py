"""Whole runs of each method on a tiny model."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from postil.registry.base_model.model import read_base
from postil.registry.errors import DatasetError
from postil.registry.preflight.preflight import preflight
from postil.registry.training.errors import MethodError, OutFolderError
from postil.registry.training.methods.options import MethodOptions
from postil.registry.training.methods.report import MethodReport
from postil.registry.training.methods.run import run
from postil.registry.training.options import TrainOptions
from postil.registry.training.progress import Silent
from postil.registry.training.train import train
from tests.registry.training.methods.conftest import Write

pytestmark = pytest.mark.tune


@dataclass
class Diary:
    """Remembers, and ends the run at a step."""

    ends: int = 10**6
    told: list[str] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    looks: list[tuple[float, bool]] = field(default_factory=list)
    of: int = 0

    def said(self, text: str) -> None:
        self.told.append(text)

    def showed(self, text: str) -> None:
        self.told.append(text)

    def begins(self, steps: int) -> None:
        self.of = steps

    def looked(self, epoch: float, loss: float, best: bool) -> None:
        self.looks.append((epoch, best))

    def stepped(self, step: int, loss: float) -> None:
        self.steps.append(step)
        if step == self.ends:
            raise KeyboardInterrupt


class Stops(Silent):
    """Ends a run for labels after its first checkpoints."""

    def stepped(self, step: int, loss: float) -> None:
        if step == 5:
            raise KeyboardInterrupt


def options(base: Path, data: tuple[Path, Path], out: Path, **changes: Any) -> MethodOptions:
    values: dict[str, Any] = {
        "data": data[0],
        "validation": data[1],
        "base": base,
        "base_id": "example/tiny",
        "out": out,
        "max_steps": 12,
        "parts": 2,
        "learning_rate": 2e-2,
        "targets": ("q_proj", "v_proj", "down_proj"),
    }
    if changes.get("tune") in ("prompt", "prefix", "ia3"):
        del values["targets"]
    given = values | changes
    return MethodOptions.model_validate({name: value for name, value in given.items() if value is not None})


@pytest.fixture
def pairs(write: Write) -> tuple[Path, Path]:
    """The base finds a short answer likelier than a long one; the long one is wanted."""
    rows = [{"prompt": f"Say number {n}.", "chosen": "no sir", "rejected": "yes"} for n in range(24)]
    return write("pairs.jsonl", rows[:16]), write("held-pairs.jsonl", rows[16:])


@pytest.fixture
def verdicts(write: Write) -> tuple[Path, Path]:
    """Answers that were judged: the long one is good."""
    rows = [
        {"prompt": f"Say number {n}.", "completion": "no sir" if n % 2 else "yes", "label": bool(n % 2)}
        for n in range(24)
    ]
    return write("kto.jsonl", rows[:16]), write("held-kto.jsonl", rows[16:])


def servable(folder: Path, base: Path) -> int:
    return preflight(folder, read_base(base, "example/tiny"), 16).rank


def test_sft_learns_answers_shows_rows_and_writes_what_can_be_published(
    tiny_base: Path, data: tuple[Path, Path], tmp_path: Path
) -> None:
    out, diary = tmp_path / "1", Diary()
    report = run(options(tiny_base, data, out, half=True), diary)
    assert diary.told[0] == "--tune lora: a LoRA is served exactly as it was trained."
    assert diary.told[1].endswith('<|assistant|>⟦{"category": "symptoms"}<|end|>⟧')
    assert len(diary.told) == 4
    assert report.trained.answers is not None
    assert report.before.answers is not None
    assert report.trained.answers.loss < 0.7 * report.before.answers.loss
    assert report.served is not None
    assert report.served.answers is not None
    assert report.served.answers.loss == pytest.approx(report.trained.answers.loss, rel=0.02)
    assert report.accuracy == report.served.answers.accuracy
    assert (report.serving, report.steps) == ("exact", 12)
    assert report.notes == (
        "The best of 3 states was chosen on these rows too, so the figures are better than on new ones;"
        " name others with --held-out.",
    )
    assert (report.labels, report.field, report.instruction) == (("billing", "symptoms"), "category", "Sort.")
    assert servable(out, tiny_base) == 8
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["1", "tiny-base"]
    written = (out / "training.json").read_text()
    assert MethodReport.model_validate_json(written) == report
    assert str(tmp_path) not in written
    with pytest.raises(OutFolderError, match="--overwrite"):
        run(options(tiny_base, data, out))


def test_dpo_prefers_the_better_answer_which_does_not_get_less_probable(
    tiny_base: Path, pairs: tuple[Path, Path], tmp_path: Path
) -> None:
    first = run(options(tiny_base, pairs, tmp_path / "1", method="dpo", batch_size=4))
    before, trained = first.before.preferences, first.trained.preferences
    assert before is not None
    assert trained is not None
    assert (before.accuracy, trained.accuracy) == (0.0, 1.0)
    assert first.tokens == 3 * 16 * (len("no sir") + len("yes") + 2)
    assert trained.chosen > before.chosen
    assert (first.reference, first.reference_digest) == ("example/tiny", first.base_digest)
    again = run(
        options(tiny_base, pairs, tmp_path / "2", method="dpo", start=tmp_path / "1", max_steps=1, targets=None)
    )
    assert again.reference == "1"
    assert again.reference_digest != first.base_digest
    assert again.before.preferences == trained
    assert servable(tmp_path / "2", tiny_base) == 8


def test_kto_tells_good_answers_from_bad_ones(tiny_base: Path, verdicts: tuple[Path, Path], tmp_path: Path) -> None:
    report = run(options(tiny_base, verdicts, tmp_path / "1", method="kto", batch_size=4))
    before, trained = report.before.preferences, report.trained.preferences
    assert before is not None
    assert trained is not None
    assert trained.chosen - trained.rejected > before.chosen - before.rejected + 5
    assert report.tokens == 3 * 8 * (len("no sir") + len("yes") + 2)


def test_text_is_learned_from_its_first_to_its_last_token(tiny_base: Path, write: Write, tmp_path: Path) -> None:
    rows = [{"text": f"The cat number {n} sits on the mat."} for n in range(24)]
    files = write("text.jsonl", rows[:16]), write("held-text.jsonl", rows[16:])
    report = run(options(tiny_base, files, tmp_path / "1", method="text"))
    assert report.before.answers is not None
    assert report.trained.answers is not None
    assert report.trained.answers.loss < report.before.answers.loss
    assert report.ended is None


@pytest.fixture
def files(method: str, data: tuple[Path, Path], pairs: tuple[Path, Path], verdicts: tuple[Path, Path]) -> Any:
    return {"sft": data, "dpo": pairs, "kto": verdicts}[method]


@pytest.mark.parametrize(
    ("method", "changes"),
    [("sft", {}), ("sft", {"save_steps": 3}), ("sft", {"tune": "bottleneck"}), ("dpo", {}), ("kto", {})],
)
def test_a_run_that_was_ended_goes_on_and_comes_to_the_same_bytes(
    method: str, changes: dict[str, Any], tiny_base: Path, files: tuple[Path, Path], tmp_path: Path
) -> None:
    changes = {"eval_steps": 2, "max_steps": 6, "batch_size": 4, "method": method, **changes}
    whole = run(options(tiny_base, files, tmp_path / "whole", **changes))
    with pytest.raises(KeyboardInterrupt):
        run(options(tiny_base, files, tmp_path / "1", **changes), Diary(ends=4))
    assert not (tmp_path / "1").exists()
    diary = Diary()
    report = run(options(tiny_base, files, tmp_path / "1", **changes), diary)
    assert diary.steps == ([4, 5, 6] if "save_steps" in changes else [3, 4, 5, 6])
    assert "goes on from its last checkpoint" in diary.told[-1]
    assert (report.losses, report.looks, report.tokens) == (whole.losses, whole.looks, whole.tokens)
    weights = [(tmp_path / name / "adapter_model.safetensors").read_bytes() for name in ("whole", "1")]
    assert weights[0] == weights[1]
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("other", ["seed", "data", "start", "classify"])
def test_a_checkpoint_of_another_run_is_not_gone_on_with(
    other: str, tiny_base: Path, data: tuple[Path, Path], tmp_path: Path
) -> None:
    changes = {"eval_steps": 2, "max_steps": 4}
    if other == "start":
        run(options(tiny_base, data, tmp_path / "start", max_steps=1))
    values = {"data": data[0], "validation": data[1], "base": tiny_base, "out": tmp_path / "1", "parts": 4}
    begins: Any = {"classify": lambda: train(TrainOptions.model_validate(values), Stops())}
    with pytest.raises(KeyboardInterrupt):
        begins.get(other, lambda: run(options(tiny_base, data, tmp_path / "1", **changes), Diary(ends=3)))()
    assert list(tmp_path.glob(".postil-*"))
    if other == "data":
        data[0].write_text("".join(data[0].read_text().splitlines(keepends=True)[1:]))
    others: dict[str, dict[str, Any]] = {"seed": {"seed": 1}, "start": {"start": tmp_path / "start", "targets": None}}
    diary = Diary()
    run(options(tiny_base, data, tmp_path / "1", **changes, **others.get(other, {})), diary)
    assert diary.steps == [1, 2, 3, 4]


def test_a_newest_checkpoint_that_is_half_written_does_not_count(
    tiny_base: Path, data: tuple[Path, Path], tmp_path: Path
) -> None:
    changes = {"save_steps": 2, "max_steps": 6}
    with pytest.raises(KeyboardInterrupt):
        run(options(tiny_base, data, tmp_path / "1", **changes), Diary(ends=5))
    [newest] = tmp_path.glob(".postil-*/trainer/checkpoint-4")
    for path in [newest / "found.json", newest / "trainer_state.json"]:
        path.unlink()
    diary = Diary()
    run(options(tiny_base, data, tmp_path / "1", **changes), diary)
    assert diary.steps == [3, 4, 5, 6]


def test_rows_of_their_own_give_the_figures(tiny_base: Path, data: tuple[Path, Path], tmp_path: Path) -> None:
    lines = data[1].read_text().splitlines(keepends=True)
    files = [tmp_path / "validation-2.jsonl", tmp_path / "held-out.jsonl"]
    for file, part in zip(files, (lines[::2], lines[1::2]), strict=True):
        file.write_text("".join(part))
    changes: dict[str, Any] = {"max_steps": 8, "held_out": files[1]}
    report = run(options(tiny_base, (data[0], files[0]), tmp_path / "1", **changes))
    assert (report.selection["file"], report.validation["file"]) == ("validation-2.jsonl", "held-out.jsonl")
    assert report.notes == ("The best state was chosen on validation-2.jsonl; the figures are on other rows.",)
    assert report.served is None
    answers = [json.loads(line)["output"] for line in data[0].read_text().splitlines()]
    assert report.tokens == sum(len(answer) + 1 for answer in answers), "each row once, with the end of its answer"
    one = run(options(tiny_base, (data[0], files[1]), tmp_path / "2", max_steps=2, eval_steps=2))
    assert (one.before, one.notes, one.selection) == (report.before, (), one.validation)
    with pytest.raises(DatasetError, match=r"the same is asked in .*validation\.jsonl"):
        run(options(tiny_base, data, tmp_path / "3", **changes))


def test_training_ends_when_nothing_is_gained_and_keeps_the_best_state(
    tiny_base: Path, data: tuple[Path, Path], tmp_path: Path
) -> None:
    changes = {"learning_rate": 1.0, "patience": 2, "max_steps": None, "epochs": 8, "parts": 8}
    report = run(options(tiny_base, data, tmp_path / "1", schedule="constant", **changes))
    assert report.steps < 64
    assert report.trained.answers is not None
    assert report.trained.answers.loss == pytest.approx(min(loss for _, loss in report.looks), abs=0.05)


@pytest.mark.parametrize("tune", ["rslora", "dora", "full", "bottleneck"])
def test_what_is_exact_or_converted_is_published_as_a_lora_and_measured_so(
    tune: str, tiny_base: Path, data: tuple[Path, Path], tmp_path: Path
) -> None:
    report = run(options(tiny_base, data, tmp_path / "1", tune=tune, max_steps=4))
    assert servable(tmp_path / "1", tiny_base) == (16 if report.serving == "converted" else 8)
    assert report.trained.answers is not None
    if report.served is not None:
        assert report.served.answers is not None
        assert report.served.answers.loss == pytest.approx(report.trained.answers.loss, rel=0.05)


@pytest.mark.parametrize("tune", ["prompt", "prefix", "ia3", "bitfit"])
def test_what_cannot_be_served_is_trained_to_be_measured_and_written_nowhere(
    tune: str, tiny_base: Path, data: tuple[Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(MethodError, match=f"--tune {tune}: "):
        run(options(tiny_base, data, tmp_path / "1", tune=tune))
    report = run(options(tiny_base, data, tmp_path / "1", tune=tune, max_steps=2, measure_only=True), rows=8)
    assert (report.serving, report.bytes, report.ended) == ("refused", 0, None)
    assert report.data["examples"] == 8
    assert not (tmp_path / "1").exists()


def test_training_goes_on_in_the_shape_of_its_adapter_and_refuses_another(
    tiny_base: Path, data: tuple[Path, Path], tmp_path: Path
) -> None:
    shape = {"tune": "rslora", "rank": 4, "alpha": 12, "dropout": 0.1}
    run(options(tiny_base, data, tmp_path / "1", max_steps=1, **shape, targets=("k_proj",)))
    start: dict[str, Any] = {"start": tmp_path / "1", "max_steps": 1}
    report = run(options(tiny_base, data, tmp_path / "2", targets=("k_proj",), rank=4, **start))
    assert {name: report.options[name] for name in (*shape, "targets")} == {**shape, "targets": ["k_proj"]}
    assert (report.tune, servable(tmp_path / "2", tiny_base)) == ("rslora", 4)
    for other, says in (({"rank": 8}, "--rank: 1, the adapter of --start, has 4"), ({}, "--targets: .* has k_proj")):
        targets = None if other else ("q_proj", "v_proj")
        with pytest.raises(MethodError, match=f"{says} and keeps it; leave --"):
            run(options(tiny_base, data, tmp_path / "3", targets=targets, **start, **other))


def test_another_way_of_tuning_does_not_go_on_with_a_lora(
    tiny_base: Path, data: tuple[Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(MethodError, match="--start goes on with a LoRA"):
        run(options(tiny_base, data, tmp_path / "1", tune="dora", start=tmp_path))


def test_a_result_that_cannot_be_put_in_its_place_is_saved_elsewhere(
    tiny_base: Path, data: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Blocks(Diary):
        def stepped(self, step: int, loss: float) -> None:
            [scratch] = tmp_path.glob(".postil-*")
            (scratch / "former" / "something").mkdir(parents=True)
            (tmp_path / "1").mkdir()

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(OutFolderError, match=r"1 cannot be written .*; the adapter is saved in ") as refusal:
        run(options(tiny_base, data, tmp_path / "1", max_steps=1), Blocks())
    [saved] = [word for word in str(refusal.value).split() if word.endswith("/adapter,")]
    assert servable(Path(saved.removesuffix(",")), tiny_base) == 8
