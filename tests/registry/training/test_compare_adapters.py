"""Two adapters answer the same rows, and the second passes only where it is shown to be not worse."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from postil.gateway.cli.commands.compare import compare
from postil.registry.base_model.model import BaseModel, read_base
from postil.registry.errors import DatasetError, PreflightError
from postil.registry.training.compare_adapters import Margins, compare_adapters, compared_answers
from postil.registry.training.dataset import Dataset, Example, load
from postil.registry.training.options import TrainOptions
from postil.registry.training.report import Judged
from postil.registry.training.train import train
from tests.fakes.adapters import BASE_ID, write_adapter, write_base


@pytest.fixture
def base(tmp_path: Path) -> BaseModel:
    """A base of headers alone."""
    return read_base(write_base(tmp_path / "base"), BASE_ID)


@pytest.fixture
def two(tmp_path: Path) -> dict[str, Path]:
    """Two adapters without reports."""
    return {name: write_adapter(tmp_path / name) for name in ("old", "new")}


class Seen:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.total = self.done = 0

    def started(self, answers: int) -> None:
        self.total = answers

    def answered(self, more: int) -> None:
        self.done += more


@pytest.mark.tune
def test_both_answer_every_row_and_too_few_rows_pass_nothing(
    tiny_base: Path, data: tuple[Path, Path], tmp_path: Path
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    train(TrainOptions(data=data[0], validation=data[1], base=tiny_base, out=old, epochs=2, learning_rate=2e-2))
    shutil.copytree(old, new)
    seen = Seen()
    found = compare_adapters({"old": old, "new": new}, data[1], read_base(tiny_base, "tiny"), Margins(), seen)
    assert seen.total == seen.done == 40
    assert found.before_metrics == found.after_metrics
    trained = json.loads((old / "training.json").read_text())["adapter_metrics"]
    assert found.before_metrics.model_dump(mode="json") == trained
    assert (found.overall.rows, found.overall.difference, found.not_worse) == (20, 0.0, False)
    app = typer.Typer()
    app.command()(compare)
    arguments = [str(old), str(new), "--data", str(data[1]), "--base", str(tiny_base), "--margin"]
    passed = CliRunner().invoke(app, [*arguments, "15", "--json"])
    assert (passed.exit_code, json.loads(passed.stdout)["not_worse"]) == (0, True)


def judged(label: str, answer: str) -> Judged:
    return Judged(Example("", "m", label, 1), answer, 0.9, 0.1)


def test_a_label_has_a_margin_of_its_own(tmp_path: Path) -> None:
    before = [judged("a", "a")] * 400 + [judged("b", "b")] * 100
    after = [judged("a", "a")] * 400 + [judged("b", "a")] * 12 + [judged("b", "b")] * 88
    rows = Dataset(tmp_path / "rows.jsonl", (), "f", ("a", "b", "none"), "sha256:0")

    def told(**labels: float) -> list[str]:
        found = compared_answers(("x", "y"), rows, "base", before, after, "none", Margins(0.05, labels))
        assert found.not_worse == all(one.verdict == "not worse" for one in found.verdicts)
        assert (found.labels["a"].rows, found.labels["b"].only_before) == (400, 12)
        return [one.verdict for one in found.verdicts]

    assert told() == ["not worse"]
    assert told(a=0.02, b=0.02) == ["not worse", "not worse", "worse"]
    assert told(b=0.12) == ["not worse", "not shown"]


def test_adapters_with_two_ways_to_say_that_no_label_fits_do_not_compare(
    base: BaseModel, two: dict[str, Path], data: tuple[Path, Path]
) -> None:
    for name, folder in two.items():
        (folder / "training.json").write_text(json.dumps({"reject": f"none of {name}"}))
    with pytest.raises(DatasetError, match="one adapter answers 'none of new' where no label fits and the other 'none"):
        compare_adapters(two, data[1], base, Margins(), Seen())


@pytest.mark.parametrize("name", ["old", "new"])
def test_rows_that_either_was_trained_on_are_refused(
    base: BaseModel, two: dict[str, Path], data: tuple[Path, Path], name: str
) -> None:
    (two[name] / "training.json").write_text(json.dumps({"data": {"digest": load(data[1]).digest}}))
    with pytest.raises(DatasetError, match=f"is the file that {name} was trained on"):
        compare_adapters(two, data[1], base, Margins(), Seen())


def test_what_cannot_be_compared_is_said_before_the_work(
    base: BaseModel, two: dict[str, Path], data: tuple[Path, Path]
) -> None:
    with pytest.raises(DatasetError, match="no row of the label 'c'; correct --label"):
        compare_adapters(two, data[1], base, Margins(labels={"billing": 0.01, "c": 0.01}), Seen())
    for folder in two.values():
        (folder / "training.json").write_text(json.dumps({"reject": "billing", "labels": ["symptoms"]}))
    with pytest.raises(DatasetError, match="no row of the label 'billing'"):
        compare_adapters(two, data[1], base, Margins(labels={"billing": 0.01}), Seen())
    (two["new"] / "adapter_config.json").write_text("{}")
    with pytest.raises(PreflightError):
        compare_adapters(two, data[1], base, Margins(labels={"symptoms": 0.01}), Seen())
    assert load(data[1]).labels == ("billing", "symptoms")
