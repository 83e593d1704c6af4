"""What an uploaded file may hold: JSON lines of a known form, and every line with an error is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from postil.registry.errors import JobError
from postil.registry.jobs.rows import count_rows, write_rows
from postil.registry.training.data.reading import read_rows
from tests.registry.jobs.data import chat, text, written


def refused(path: Path, content: str | bytes) -> str:
    """The sentence with which a file is refused."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(JobError) as error:
        count_rows(path, "data.jsonl")
    assert error.value.param == "file"
    assert str(path) not in str(error.value)
    return str(error.value)


def test_rows_are_counted_and_blank_lines_are_not(tmp_path: Path) -> None:
    assert count_rows(written(tmp_path / "f", text([chat("a", "b")]) + "\n \n" + text([chat("c", "d")])), "f") == 2


def test_one_line_with_an_error_is_told_with_its_number(tmp_path: Path) -> None:
    said = refused(tmp_path / "f", text([chat("a", "b")]) + "no json\n")
    assert said.startswith("data.jsonl, line 2: this is not a JSON object")


def test_all_lines_with_errors_are_told_at_once_up_to_fifty(tmp_path: Path) -> None:
    said = refused(tmp_path / "f", '{"messages": []}\n[2]\n')
    assert said.startswith("data.jsonl has 2 faults: line 1: ")
    assert "line 2: this is not a JSON object" in said
    many = refused(tmp_path / "f", "[1]\n" * 60)
    assert many.endswith("; and 10 more")
    assert "line 50: " in many
    assert "line 51" not in many


def test_what_is_no_text_empty_or_of_another_format_is_refused(tmp_path: Path) -> None:
    assert "is not UTF-8" in refused(tmp_path / "f", b"\xff\x00\x81")
    assert "holds no example" in refused(tmp_path / "f", b"\n\n")
    assert "is not JSONL" in refused(tmp_path / "f", "instruction,input,output\nSort.,a,b\n")
    assert "is not JSONL" in refused(tmp_path / "f", b"PAR1\x00")


def test_rows_are_written_on_their_own_lines(tmp_path: Path) -> None:
    path = written(tmp_path / "f", text([chat("a\u2028b", "c"), chat("d", "e"), chat("f", "g")]))
    first, _, third = read_rows(path).rows
    write_rows([third, first], path)
    assert [(row.line, row.asked) for row in read_rows(path).rows] == [(1, "a\u2028b"), (3, "f")]
