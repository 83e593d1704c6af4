"""``postil data review`` as a person meets it: a row, a key, and a corrected copy."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from postil.gateway.cli.main import make_cli
from postil.registry.training.data.review import shortlist
from postil.registry.training.dataset import load
from tests.registry.training.data.files import messages, write_labelled


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file in which six rows have a wrong label."""
    rows = [(f"\x1b[2J {text}", label) for text, label in messages(300)]
    for number in (10, 11, 20, 21, 30, 31):
        rows[number] = (rows[number][0], "symptoms" if rows[number][1] == "billing" else "billing")
    return write_labelled(tmp_path / "a.jsonl", rows)


def reviewed(path: Path, keys: str, *more: str) -> Result:
    arguments = ["data", "review", str(path), "--out", str(path.with_name("b.jsonl")), *more]
    return CliRunner().invoke(make_cli(), arguments, input=keys)


def test_keys_keep_correct_and_leave_out_and_the_rest_is_as_it_was(path: Path) -> None:
    doubts = shortlist(path).doubts
    assert {doubt.line for doubt in doubts} == {11, 12, 21, 22, 31, 32}
    first, second, third, fourth = doubts[:4]
    result = reviewed(path, "x" + "s" + "K" + "d" + "1" + "q")
    assert result.exit_code == 0, result.output
    assert f"1 of {len(doubts)}, line {first.line} (suspects)" in result.output
    assert f"label {first.label}; a linear model says {first.suggested}" in result.output
    assert "k keep" in result.output
    assert "1 billing  2 symptoms" in result.output
    assert "\x1b" not in result.output
    labels = {example.message: example.label for example in load(path.with_name("b.jsonl")).examples}
    assert labels[first.text.strip()] == first.suggested
    assert labels[second.text.strip()] == second.label
    assert third.text.strip() not in labels
    assert labels[fourth.text.strip()] == "billing"
    changed = 1 + (fourth.label != "billing")
    assert result.output.endswith(f"b.jsonl: 299 rows; {changed} labels changed, 1 rows left out\n")


def test_the_end_of_the_input_stops_and_writes_and_nothing_is_written_over(path: Path) -> None:
    result = reviewed(path, "")
    assert result.output.endswith("300 rows; 0 labels changed, 0 rows left out\n")
    assert "exists; name another place" in str(reviewed(path, "q").exception)
    assert reviewed(path, "q", "--overwrite").exit_code == 0
