"""Messages in other ways of writing, and texts without a label: what is made of rows, and how answers are counted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from postil.registry.errors import DatasetError
from postil.registry.training.dataset import Dataset, Example
from postil.registry.training.report import Judged
from postil.registry.training.stress import StressFiles, StressSet, stress_sets, stressed

MESSAGES = ("Please send me the invoice.", "My head hurts since Monday.", "asdf qwer")


@pytest.fixture
def figures(tmp_path: Path) -> Dataset:
    rows = [
        Example("Sort.", message, label, line)
        for line, (message, label) in enumerate(zip(MESSAGES, ("billing", "symptoms", "none"), strict=True), 1)
    ]
    return Dataset(tmp_path / "held-out.jsonl", tuple(rows), "category", ("billing", "none", "symptoms"), "sha256:1")


def judged(label: str, answer: str, probability: float = 0.9) -> Judged:
    return Judged(Example("", "m", label, 1), answer, probability, 0.1)


def test_messages_with_a_label_are_written_in_three_ways_the_same_for_one_seed(figures: Dataset) -> None:
    found = stress_sets(StressFiles(seed=1), figures, "none")
    assert [(one.name, one.changed) for one in found] == [("keyboard", 2), ("casing", 2), ("phone", 2)]
    assert [[row.label for row in one.rows.examples] for one in found] == [["billing", "symptoms"]] * 3
    assert found[2].rows.examples[1].message == "my head hurts since monday"
    assert stress_sets(StressFiles(seed=1), figures, "none") == found
    assert stress_sets(StressFiles(seed=2), figures, "none") != found


def test_a_message_of_which_nothing_would_be_left_stays(tmp_path: Path) -> None:
    rows = (Example("", ".", "a", 1), Example("", "12", "b", 2))
    figures = Dataset(tmp_path / "x", rows, "f", ("a", "b"), "sha256:1")
    assert [one.changed for one in stress_sets(StressFiles(seed=0), figures, None)] == [0, 0, 0]


def test_texts_of_any_form_are_asked_under_the_instruction_of_the_figures(figures: Dataset, tmp_path: Path) -> None:
    texts, rows = tmp_path / "texts.jsonl", tmp_path / "rows.jsonl"
    texts.write_text(json.dumps({"text": "Nice weather."}) + "\n")
    rows.write_text(json.dumps({"instruction": "Other.", "input": "Lock my card.", "output": "x"}) + "\n")
    found = stress_sets(StressFiles(no_label=texts, other=rows), figures, None)
    assert [(one.name, one.changed, one.rows.path.name) for one in found] == [
        ("no label", None, "texts.jsonl"),
        ("other domain", None, "rows.jsonl"),
    ]
    asked = [(row.instruction, row.message) for one in found for row in one.rows.examples]
    assert asked == [("Sort.", "Nice weather."), ("Sort.", "Lock my card.")]


def test_a_file_that_asks_nothing_is_refused(figures: Dataset, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    turns = [{"role": "user", "content": " "}, {"role": "assistant", "content": "Yes?"}]
    empty.write_text(json.dumps({"messages": turns}) + "\n")
    with pytest.raises(DatasetError, match=r"empty\.jsonl asks nothing; write one text per line"):
        stress_sets(StressFiles(other=empty), figures, None)


def test_right_answers_and_what_is_held_back_are_counted(figures: Dataset) -> None:
    sets = [StressSet("phone", figures, 3), StressSet("no label", figures)]
    answers = [
        [judged("a", "a"), judged("a", "b"), judged("a", "a", 0.3), judged("a", "none")],
        [judged("a", "none"), judged("a", "b"), judged("a", "b"), judged("a", "c"), judged("a", "c", 0.1)],
    ]
    found = stressed(StressFiles(seed=4), sets, answers, "none", 1.0, 0.5)
    assert found is not None
    [written], [strange] = found.written, found.strange
    assert (written.right, written.accuracy, written.held_back, written.changed) == (2, 0.5, 2, 3)
    assert written.interval == (0.15, 0.85)
    assert (strange.held_back, strange.share, strange.answered) == (2, 0.4, {"b": 2, "c": 1})
    assert (found.seed, found.minimum) == (4, 0.5)
    hot = stressed(StressFiles(), sets, answers, None, 20.0, 0.52)
    assert hot is not None
    assert hot.written[0].held_back == 1


def test_without_sets_there_is_nothing(figures: Dataset) -> None:
    assert stress_sets(StressFiles(), figures, None) == []
    assert stressed(StressFiles(), [], [], None, 1.0, 0.5) is None
