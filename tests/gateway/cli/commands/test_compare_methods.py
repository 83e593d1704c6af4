"""``postil compare-methods`` as a person meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from postil.gateway.cli.commands.compare_methods import compare_methods
from tests.fakes.adapters import write_base


def call(tmp_path: Path, *more: str) -> Result:
    """Run the command on a base without a tokenizer, on which every way of tuning fails."""
    app = typer.Typer()
    app.command()(compare_methods)
    files = [tmp_path / "train.jsonl", tmp_path / "held-out.jsonl"]
    for file in files:
        file.write_text(json.dumps({"prompt": file.name, "completion": "b"}) + "\n")
    base = write_base(tmp_path / "base")
    arguments = ["--data", str(files[0]), "--validation", str(files[1]), "--base", str(base), *more]
    return CliRunner().invoke(app, arguments)


@pytest.mark.tune
def test_a_way_that_fails_is_a_row_of_the_table_with_its_reason_below(tmp_path: Path) -> None:
    result = call(tmp_path, "--tunes", "lora", "--plot", str(tmp_path / "out.png"))
    assert result.exit_code == 1
    assert "failed" in result.stdout
    assert "\nlora: " in result.stdout
    assert "60 steps on at most 150 rows" in result.stdout


@pytest.mark.tune
def test_figures_are_told_as_json_too(tmp_path: Path) -> None:
    result = call(tmp_path, "--tunes", "lora", "--json")
    assert [kind["serving"] for kind in json.loads(result.stdout)["kinds"]] == ["exact"]


@pytest.mark.tune
@pytest.mark.parametrize("flag", ["--data", "--validation"])
def test_a_file_that_there_is_not_is_told_before_the_first_way(flag: str, tmp_path: Path) -> None:
    result = call(tmp_path, flag, str(tmp_path / "none.jsonl"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "none.jsonl" in result.stderr
    assert "1 of " not in result.stderr


def test_a_way_of_tuning_that_there_is_not_is_refused_at_once(tmp_path: Path) -> None:
    result = call(tmp_path, "--tunes", "lora,qlora")
    assert result.exit_code == 1
    assert "does not tune by 'qlora'" in result.stderr
