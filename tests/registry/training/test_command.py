"""``postil train`` as a person meets it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from postil.gateway.cli.commands.evaluate import evaluate
from postil.gateway.cli.commands.train import NAMES, train
from postil.registry.training.options import TrainOptions
from tests.fakes.adapters import write_base

Run = Callable[..., Result]


@pytest.fixture
def run(data: tuple[Path, Path], tmp_path: Path) -> Run:
    """Run the command on the test's data; more arguments may follow."""
    app = typer.Typer()
    app.command(context_settings=NAMES)(train)

    headers_only = write_base(tmp_path / "base")

    def call(*more: str, base: Path = headers_only, out: str = "out") -> Result:
        files = ["--data", str(data[0]), "--validation", str(data[1]), "--out", str(tmp_path / out)]
        return CliRunner().invoke(app, [*files, "--base", str(base), *more])

    return call


@pytest.fixture
def measure(data: tuple[Path, Path]) -> Run:
    """Run ``postil evaluate`` on an adapter and the test's validation data."""
    app = typer.Typer()
    app.command()(evaluate)

    def call(adapter: Path, *more: str) -> Result:
        return CliRunner().invoke(app, [str(adapter), "--data", str(data[1]), *more])

    return call


@pytest.mark.tune
def test_it_prints_the_report_as_json_or_as_a_table(run: Run, tiny_base: Path) -> None:
    result = run("--epochs", "1", "--json", base=tiny_base)
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert report["base"] == "tiny-base"
    assert "epoch 1.00" in result.stderr
    assert "rows; what is trained" not in result.stderr
    result = run("--epochs", "1", "--targets", "o_proj,down_proj", base=tiny_base, out="again")
    assert result.exit_code == 0
    assert "3 of 60 rows; what is trained is in [ ]:\nline 1: <|system|>Sort.<|end|><|user|>" in result.stderr
    assert '<|assistant|>[{"category": "symptoms"}<|end|>]\n' in result.stderr
    assert "It will be served exactly as it is trained: a LoRA of rank 8, for which" in result.stderr
    told = ("symptoms", "billing", "adapter", "A confidence minimum of", "is calibrated by")
    assert all(word in result.stdout for word in told)


@pytest.mark.tune
def test_an_adapter_is_evaluated_into_its_own_report(run: Run, measure: Run, tiny_base: Path, tmp_path: Path) -> None:
    assert run("--epochs", "1", base=tiny_base).exit_code == 0
    result = measure(tmp_path / "out", "--base", str(tiny_base), "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout).items() <= json.loads((tmp_path / "out" / "training.json").read_text()).items()
    assert "40/40" in result.stderr
    result = measure(tmp_path / "out", "--base", str(tiny_base), "--most-forgetting", "100", "--stress")
    assert result.exit_code == 0
    assert ["casing", "20", "20", "right"] in [line.split()[:4] for line in result.stdout.splitlines()]
    assert all(word in result.stdout for word in ("symptoms", "adapter", "is calibrated by", "On 24 neutral questions"))
    result = measure(tmp_path / "out", "--base", str(tiny_base), "--most-forgetting", "0")
    assert result.exit_code == 1
    assert "On 24 neutral questions" in result.stdout
    assert "nats per token away from the base on neutral questions, and 0 are allowed; train" in str(result.exception)


def test_an_evaluation_that_cannot_be_is_refused_in_one_sentence(measure: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = measure(tmp_path / "empty", "--base", str(write_base(tmp_path / "other-base")))
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert "adapter_config.json" in result.stderr


def test_a_refusal_is_one_sentence_and_no_traceback(run: Run) -> None:
    result = run("--reject", "other")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert "drop --reject" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_value_out_of_range_names_its_option(run: Run) -> None:
    result = run("--learning-rate", "-1")
    assert result.exit_code == 1
    assert "error: --learning-rate: " in result.stderr


def test_a_flag_may_be_named_as_in_other_libraries(run: Run) -> None:
    assert "error: --rank: " in run("--lora_r", "0").stderr
    assert "error: --epochs: " in run("--num-train-epochs", "0").stderr


def test_the_defaults_that_help_shows_are_those_of_the_typed_options() -> None:
    app = typer.Typer()
    app.command()(train)
    shown = {one.name: one.default for one in typer.main.get_command(app).params if one.default is not None}
    fields = {name: field.default for name, field in TrainOptions.model_fields.items()}
    fields["targets"] = ",".join(fields["targets"])
    assert {name: fields[name] for name in shown.keys() & fields.keys()} == {
        name: shown[name] for name in shown.keys() & fields.keys()
    }
    assert fields.keys() - shown.keys() == {
        "data",
        "validation",
        "calibration",
        "held_out",
        "base",
        "out",
        "base_id",
        "patience",
        "reject",
        "window",
    }


def test_a_file_of_options_is_read_and_a_method_that_there_is_not_refused(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "train.yaml"
    config.write_text("method: guess\n")
    result = run("--config", str(config))
    assert result.exit_code == 1
    assert result.stderr.startswith("error: --method: postil does not train by 'guess'")
    config.write_text("nope: 1\n")
    assert f"error: {config}:1: `nope` is no option of training" in run("--config", str(config)).stderr
