"""A person's decisions on doubtful labels go into a copy, which says what was there before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from postil.registry.errors import DatasetError
from postil.registry.training.data.reading import read_rows
from postil.registry.training.data.review import Shortlist, shortlist, write_reviewed
from postil.registry.training.dataset import load
from tests.registry.training.data.files import labelled, messages, write, write_labelled


@pytest.fixture
def doubtful(tmp_path: Path) -> Shortlist:
    """The shortlist of a file in which lines 11 and 21 have a wrong label."""
    rows = messages(200)
    for number in (10, 20):
        rows[number] = (rows[number][0], "symptoms")
    return shortlist(write_labelled(tmp_path / "a.jsonl", rows))


def test_the_shortlist_has_the_whole_text_and_the_other_label(doubtful: Shortlist) -> None:
    [one] = [doubt for doubt in doubtful.doubts if doubt.line == 11]
    assert (one.check, one.text, one.label, one.suggested) == ("suspects", messages(200)[10][0], "symptoms", "billing")
    assert one.probability > 0.5
    assert doubtful.labels == ["billing", "symptoms"]


def test_what_was_decided_is_in_the_copy_and_the_rest_as_it_was(doubtful: Shortlist, tmp_path: Path) -> None:
    assert write_reviewed(doubtful.data, {11: "billing", 12: None, 13: "billing"}, tmp_path / "b.jsonl") == 199
    before, after = read_rows(tmp_path / "a.jsonl").rows, read_rows(tmp_path / "b.jsonl").rows
    assert after[10].raw == {**before[10].raw, "output": '{"category": "billing"}', "relabelled_from": "symptoms"}
    assert [row.raw for row in after[:10]] == [row.raw for row in before[:10]]
    assert [row.raw for row in after[11:]] == [row.raw for row in before[12:]]


@pytest.mark.parametrize(
    "form",
    [
        lambda asked, answer: {"messages": [asked, {"role": "assistant", "content": answer}]},
        lambda asked, answer: {"prompt": asked["content"], "completion": answer},
        lambda asked, answer: {"prompt": [asked], "completion": [{"role": "assistant", "content": answer}]},
    ],
)
def test_labels_of_every_form_can_be_changed(tmp_path: Path, form: Any) -> None:
    rows = [form({"role": "user", "content": text}, json.dumps({"category": label})) for text, label in messages(20)]
    found = shortlist(write(tmp_path / "a", *rows))
    write_reviewed(found.data, {1: "symptoms"}, tmp_path / "b")
    assert [example.label for example in load(tmp_path / "b").examples[:2]] == ["symptoms", "symptoms"]


def test_a_file_with_faults_or_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has no labels to review"):
        shortlist(write(tmp_path / "a", {"text": "a"}))
    with pytest.raises(DatasetError, match="line 1: this is not a JSON object"):
        shortlist(write(tmp_path / "b", "{", labelled("a", "b")))


def test_where_labels_have_too_few_rows_nothing_is_in_doubt(tmp_path: Path) -> None:
    assert shortlist(write_labelled(tmp_path / "a", messages(4))).doubts == ()
