"""No message may serve two purposes, and what training never shows cannot be measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from postil.registry.errors import DatasetError
from postil.registry.training.dataset import Dataset, load
from postil.registry.training.splits import check_splits


def rows(path: Path, *messages: str, field: str = "category") -> Dataset:
    """Messages of two labels, in turns."""
    lines = [
        {"instruction": "Sort.", "input": message, "output": json.dumps({field: "ab"[n % 2]})}
        for n, message in enumerate(messages)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return load(path)


def test_files_of_other_messages_pass(tmp_path: Path) -> None:
    files = [rows(tmp_path / f"{n}.jsonl", f"x{n}", f"y{n}") for n in range(4)]
    check_splits(files[0], files[1:])
    check_splits(None, files)


def test_a_message_in_two_files_is_refused_with_both_places(tmp_path: Path) -> None:
    validation = rows(tmp_path / "validation.jsonl", "hello", "again")
    held_out = rows(tmp_path / "held-out.jsonl", "new", "HELLO")
    with pytest.raises(
        DatasetError, match=r"held-out.jsonl, line 2: the input also occurs in .*validation.jsonl, line 1"
    ):
        check_splits(None, [validation, held_out])
    with pytest.raises(DatasetError, match="also occurs in"):
        check_splits(validation, [held_out])


def test_files_with_two_fields_do_not_go_together(tmp_path: Path) -> None:
    one, other = rows(tmp_path / "a.jsonl", "x", "y"), rows(tmp_path / "b.jsonl", "v", "w", field="kind")
    with pytest.raises(DatasetError, match=r"b.jsonl answers with 'kind', .*a.jsonl with 'category'; use one field in"):
        check_splits(None, [one, other])
