"""Decisions and the rows of before: a decision stands, nothing is learned twice, and nothing that is held out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from postil.registry.training.data.held_out import marked
from postil.registry.training.errors import RoundError
from postil.registry.training.rounds.merging import export_kind, merge
from tests.registry.training.data.files import labelled, messages, write, write_labelled

ROWS = messages(12)


def test_new_decisions_are_added_and_a_decision_replaces_a_row_with_another_answer(tmp_path: Path) -> None:
    before = write_labelled(tmp_path / "before.jsonl", ROWS[:6])
    wrong = "billing" if ROWS[0][1] == "symptoms" else "symptoms"
    decided = [labelled(ROWS[0][0].upper(), wrong), labelled(*ROWS[1]), labelled(*ROWS[8], origin="review")]
    held_out = write_labelled(tmp_path / "held-out.jsonl", ROWS[9:])
    found = merge(write(tmp_path / "decided.jsonl", *decided), [before], [held_out])
    assert found.counts == {"rows": 7, "before": 6, "added": 2, "repeated": 1, "replaced": 1, "near": 0}
    labels = {str(row["input"]).casefold(): json.loads(str(row["output"]))["category"] for row in found.rows}
    assert labels[ROWS[0][0]] == wrong
    assert labels[ROWS[8][0]] == ROWS[8][1]
    assert found.rows[-1]["origin"] == "review"


def test_no_row_near_to_a_held_out_one_is_learned_from(tmp_path: Path) -> None:
    before = write_labelled(tmp_path / "before.jsonl", ROWS[:6])
    held_out = write_labelled(tmp_path / "held-out.jsonl", [(f"{ROWS[0][0]}!", ROWS[0][1]), ROWS[8]])
    decided = write_labelled(tmp_path / "decided.jsonl", [ROWS[8], ROWS[7]])
    found = merge(decided, [before], [held_out])
    assert {row["input"] for row in found.rows} == {text for text, _ in (*ROWS[1:6], ROWS[7])}
    assert found.near == 2


@pytest.mark.parametrize(
    ("decided", "says"),
    [
        ([0], "there is nothing to learn: the one decided answer is in the training data already"),
        ([0, 1], "there is nothing to learn: all 2 decided answers are in the training data already"),
        ([9, 10], "there is nothing to learn: all 2 decided answers are near to held-out rows"),
    ],
)
def test_where_nothing_is_new_there_is_nothing_to_learn(tmp_path: Path, decided: list[int], says: str) -> None:
    before = write_labelled(tmp_path / "before.jsonl", ROWS[:6])
    held_out = write_labelled(tmp_path / "held-out.jsonl", ROWS[9:])
    new = write_labelled(tmp_path / "decided.jsonl", [ROWS[number] for number in decided])
    with pytest.raises(RoundError, match=says):
        merge(new, [before], [held_out])


def test_held_out_rows_are_not_taken_for_training_data(tmp_path: Path) -> None:
    held_out = write(tmp_path / "held-out.jsonl", *(marked(labelled(*row)) for row in ROWS[9:]))
    decided = write_labelled(tmp_path / "decided.jsonl", ROWS[:2])
    with pytest.raises(RoundError, match="has rows that are held out; name it with --held-out"):
        merge(decided, [held_out], [])


def test_decisions_are_exported_in_the_form_of_the_rows_of_before(tmp_path: Path) -> None:
    rows = write_labelled(tmp_path / "a.jsonl", ROWS)
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    chats = write(tmp_path / "b.jsonl", {"messages": turns})
    assert (export_kind([rows, rows]), export_kind([chats])) == ("instruction", "messages")
    with pytest.raises(RoundError, match="hold different kinds of rows"):
        export_kind([rows, chats])
    with pytest.raises(RoundError, match="holds prompt/completion, and decisions are exported as"):
        export_kind([write(tmp_path / "c.jsonl", {"prompt": "a", "completion": "b"})])
