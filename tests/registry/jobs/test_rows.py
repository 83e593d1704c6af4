"""What an uploaded file may hold: two forms, and every line with an error is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from postil.registry.errors import JobError
from postil.registry.jobs.rows import read_rows, write_rows
from tests.registry.jobs.data import chat, text, written


def refused(path: Path, content: str | bytes) -> str:
    """The sentence with which a file is refused."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(JobError) as error:
        read_rows(path, "data.jsonl")
    assert error.value.param == "file"
    return str(error.value)


def test_both_forms_become_one(tmp_path: Path) -> None:
    plain = {"instruction": "Sort.", "input": "it hurts", "output": "{}"}
    path = written(tmp_path / "f", text([chat("it hurts", "{}"), plain]))
    first, second = read_rows(path, "f")
    assert first.row == second.row == {**plain, "history": []}
    assert (first.number, second.number) == (1, 2)


def test_turns_before_the_last_message_are_history_and_a_prompt_is_not_needed(tmp_path: Path) -> None:
    turns = [("user", "hello"), ("assistant", "yes?"), ("user", "it hurts"), ("assistant", "{}")]
    row = {"messages": [{"role": role, "content": content} for role, content in turns]}
    [line] = read_rows(written(tmp_path / "f", text([row])), "f")
    before = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "yes?"}]
    assert line.row == {"instruction": "", "input": "it hurts", "output": "{}", "history": before}


def test_marks_and_blank_lines_are_passed_over_and_numbers_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"\xef\xbb\xbf" + text([chat("a", "b")]).encode() + b"\n \n" + text([chat("c", "d")]).encode())
    rows = read_rows(path, "f")
    assert [line.number for line in rows] == [1, 4]
    write_rows({line.number: line.row for line in rows}, path)
    assert [line.number for line in read_rows(path, "f")] == [1, 4]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("no json", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("[1]", "it is not a JSON object"),
        ('{"input": "a"}', "the key 'instruction' is missing"),
        ('{"instruction": 1, "input": "a", "output": "b"}', "'instruction' is not a text"),
        ('{"instruction": "\\ud800", "input": "a", "output": "b"}', "'instruction' is not a text"),
        ('{"instruction": "", "input": "a", "output": "b", "history": 1}', "the history is not a list"),
        ('{"messages": []}', "messages is not a list of messages"),
        ('{"messages": [1]}', "a message has no role of system, user, assistant"),
        ('{"messages": [{"role": "tool", "content": "a"}]}', "a message has no role"),
        ('{"messages": [{"role": "user", "content": [1]}]}', "the content of a message of the user is not a text"),
        ('{"messages": [{"role": "user", "content": "a"}]}', "the last two messages are not"),
    ],
)
def test_a_line_with_an_error_is_told_with_its_number(tmp_path: Path, row: str, says: str) -> None:
    said = refused(tmp_path / "f", text([chat("a", "b")]) + row + "\n")
    assert said.startswith("data.jsonl has 1 line that cannot be used: line 2: ")
    assert says in said


def test_all_lines_with_errors_are_told_at_once_up_to_fifty(tmp_path: Path) -> None:
    said = refused(tmp_path / "f", "1\n2\n")
    assert "2 lines" in said
    assert "line 1: " in said
    assert "line 2: " in said
    assert refused(tmp_path / "f", "x\n" * 60).endswith("line 50: it is not JSON; and 10 more lines")


def test_a_file_that_is_no_text_or_empty_is_refused(tmp_path: Path) -> None:
    assert "is not UTF-8 text" in refused(tmp_path / "f", b"\xff\xfe\x00")
    assert "holds no example" in refused(tmp_path / "f", b"\n\n")


def test_the_written_form_is_one_that_json_reads(tmp_path: Path) -> None:
    write_rows({2: {"input": "a\u2028b"}}, tmp_path / "f")
    assert [json.loads(line) for line in (tmp_path / "f").read_text().split("\n") if line] == [{"input": "a\u2028b"}]
