"""How supervised rows are learned is what most of them show; what they are not is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from postil.registry.errors import JobError
from postil.registry.jobs.methods import method_of
from postil.registry.training.data.reading import DataFile, read_rows
from tests.registry.jobs.data import answers, chat, chats, preferences, text, written


def read(tmp_path: Path, rows: Sequence[Mapping[str, Any]]) -> DataFile:
    """The rows as a file."""
    return read_rows(written(tmp_path / "rows.jsonl", text(rows)))


def test_labels_that_come_again_are_labels_though_some_rows_have_none(tmp_path: Path) -> None:
    assert method_of(read(tmp_path, chats()), None) == "classify"
    assert method_of(read(tmp_path, [*chats(), *answers()]), None) == "classify"


def test_other_answers_are_free_text(tmp_path: Path) -> None:
    assert method_of(read(tmp_path, answers()), None) == "sft"
    assert method_of(read(tmp_path, [*chats()[:5], *answers()]), None) == "sft"
    numbers = [chat(f"How many are {n} and one?", f'{{"sum": {n + 1}}}') for n in range(4)]
    assert method_of(read(tmp_path, numbers), None) == "sft"
    # JSON with one field, and another value in each row: something is extracted.
    extracted = [chat(f"I am number {n}.", f'{{"name": "number {n}"}}') for n in range(20)]
    assert method_of(read(tmp_path, extracted), None) == "sft"


def test_what_was_asked_for_is_taken(tmp_path: Path) -> None:
    assert method_of(read(tmp_path, chats()), "sft") == "sft"
    assert method_of(read(tmp_path, preferences()), "dpo") == "dpo"


def test_rows_without_one_answer_each_are_not_supervised(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="take the method `dpo` for preferences") as refused:
        method_of(read(tmp_path, preferences()), None)
    assert refused.value.param == "training_file"
