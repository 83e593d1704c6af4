"""``postil data`` as a person meets it: figures, findings with lines, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.gateway.cli.in_process import in_process
from tests.registry.training.data.files import labelled, messages, write, write_labelled


@pytest.fixture
def home(tmp_path: Path) -> str:
    """A home without a base."""
    return str(tmp_path / "home")


async def test_a_check_shows_figures_and_findings_and_exits_with_0_on_warnings(tmp_path: Path, home: str) -> None:
    rows = messages(80)
    path = write_labelled(tmp_path / "a.jsonl", rows + rows[:12])
    status, out, complaints = await in_process(None, "data", "check", str(path), POSTIL_HOME=home)
    assert (status, complaints) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert [str(path), "instruction/input/output", "92", "category"] in lines
    assert ["billing", "46"] in lines
    assert f"warning (duplicates): {path}: 12 rows repeat an earlier one; keep one each" in out
    assert ["81", "1", "1.00", "billing"] in lines
    assert ["and", "2", "more"] in lines
    assert out.endswith("\n0 errors, 1 warning\n")
    _, out, _ = await in_process(None, "data", "check", str(path), "--all", POSTIL_HOME=home)
    assert "more" not in out


async def test_a_check_exits_with_1_where_there_is_an_error(tmp_path: Path, home: str) -> None:
    path = write(tmp_path / "a.jsonl", "{", {"text": "a"})
    other = write(tmp_path / "b.jsonl", {"text": "a"})
    status, out, _ = await in_process(None, "data", "check", str(path), "--validation", str(other), POSTIL_HOME=home)
    assert status == 1
    assert f"error (form): {path}: line 1: this is not a JSON object; write one" in out
    assert "a.jsonl 2" in out
    status, out, _ = await in_process(None, "data", "check", str(path), "--json", POSTIL_HOME=home)
    report = json.loads(out)
    assert (status, report["errors"], report["files"][0]["rows"]) == (1, 1, 1)
    assert report["findings"][0]["check"] == "form"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("no.jsonl",), "no.jsonl cannot be read (No such file or directory); check the path"),
        (("--base", "no-folder", "a.jsonl"), "no-folder is not a folder; name the folder of a base model"),
    ],
)
async def test_what_cannot_be_checked_is_one_sentence(home: str, arguments: tuple[str, ...], said: str) -> None:
    status, _, complaints = await in_process(None, "data", "check", *arguments, POSTIL_HOME=home)
    assert (status, complaints) == (1, f"error: {said}\n")


async def test_text_of_a_file_cannot_move_the_terminal(tmp_path: Path, home: str) -> None:
    rows = [labelled(f"\x1b[2J{text}", label) for text, label in messages(80)]
    rows[0]["output"] = json.dumps({"category": "symptoms"})
    _, out, _ = await in_process(None, "data", "check", str(write(tmp_path / "a.jsonl", *rows)), POSTIL_HOME=home)
    assert "\x1b" not in out
