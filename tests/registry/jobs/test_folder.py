"""A job's folder: data that the trainer takes, lines that keep their numbers, and a result with its lineage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from postil.registry.errors import JobError
from postil.registry.jobs import folder
from postil.registry.jobs.methods import Method
from postil.registry.training.dataset import load
from postil.registry.training.methods.sample_files import read_samples
from tests.registry.jobs.data import answers, chat, chats, preferences, text, written


def refused(tmp_path: Path, training: str, validation: str | None = None, reject: str | None = None) -> JobError:
    """The error with which data is refused."""
    first = written(tmp_path / "a", training)
    second = None if validation is None else written(tmp_path / "b", validation)
    with pytest.raises(JobError) as error:
        folder.prepare(tmp_path / "job", first, second, seed=1, reject=reject)
    assert str(tmp_path) not in str(error.value)
    return error.value


def test_one_file_is_split_and_nothing_of_it_is_lost(tmp_path: Path) -> None:
    counts = folder.prepare(tmp_path / "job", written(tmp_path / "a", text(chats())), None, seed=1, reject=None)
    training, validation = load(tmp_path / "job/training.jsonl"), load(tmp_path / "job/validation.jsonl")
    assert counts == (20, 5) == (len(training.examples), len(validation.examples))
    assert {one.line for one in (*training.examples, *validation.examples)} == set(range(1, 26))


def test_two_files_stay_apart_and_a_folder_is_begun_anew(tmp_path: Path) -> None:
    first, second = written(tmp_path / "a", text(chats()[::2])), written(tmp_path / "b", text(chats()[1::2]))
    written(tmp_path / "job/old", "of an earlier time")
    assert not folder.is_prepared(tmp_path / "job")
    assert folder.prepare(tmp_path / "job", first, second, seed=1, reject="billing") == (13, 12)
    assert folder.is_prepared(tmp_path / "job")
    assert not (tmp_path / "job/old").exists()
    folder.remove(tmp_path / "job")
    assert not (tmp_path / "job").exists()


def test_what_cannot_be_learned_is_refused_with_the_line_of_the_uploaded_file(tmp_path: Path) -> None:
    free = [*chats()[:3], chat("explain", "A free text.")]
    assert "training_file, line 4: the output is not a JSON object of one field" in str(refused(tmp_path, text(free)))
    twice = [*chats(), chat("knee hurts today", '{"category": "billing"}')]
    assert "line 26: the input is 'billing' here and 'symptoms' in line 1" in str(refused(tmp_path, text(twice)))
    leak = refused(tmp_path, text(chats()), text(chats()[:1] + chats()[-1:]))
    assert "validation_file, line 1: the input also occurs in training_file, line 1" in str(leak)
    no_reject = refused(tmp_path, text(chats()), reject="other")
    assert (no_reject.param, "has the reject label 'other'" in str(no_reject)) == ("postil.reject", True)


@pytest.mark.parametrize(("rows", "asked", "method"), [(answers(), None, "sft"), (preferences(), "dpo", "dpo")])
def test_rows_that_are_no_labels_are_split_too(
    tmp_path: Path, rows: list[dict[str, Any]], asked: Method | None, method: Method
) -> None:
    place, file = tmp_path / "job", written(tmp_path / "a", text(rows))
    assert folder.prepare(place, file, None, seed=1, reject=None, method=asked) == (8, 2)
    assert folder.method_in(place) == method
    parts = [read_samples(place / name, method).samples for name in ("training.jsonl", "validation.jsonl")]
    assert sorted(one.line for part in parts for one in part) == list(range(1, 11))


def test_data_that_was_prepared_before_the_method_was_noted_is_of_labels(tmp_path: Path) -> None:
    assert folder.method_in(tmp_path) == "classify"


def test_rows_of_another_kind_than_the_method_are_refused_in_openais_words(tmp_path: Path) -> None:
    file = written(tmp_path / "a", text(chats()))
    with pytest.raises(JobError, match="the method dpo learns from rows with prompt/chosen/rejected"):
        folder.prepare(tmp_path / "job", file, None, seed=1, reject=None, method="dpo")
    pairs = written(tmp_path / "b", text(preferences()))
    with pytest.raises(JobError, match="validation_file: the method supervised learns from rows with instruction"):
        folder.prepare(tmp_path / "job", written(tmp_path / "a", text(answers())), pairs, seed=1, reject=None)


def test_what_is_asked_in_both_files_and_a_reject_label_without_labels_are_refused(tmp_path: Path) -> None:
    leak = refused(tmp_path, text(answers()), text(answers()[:1]))
    assert "validation_file, line 1: the same is asked in training_file, line 1" in str(leak)
    no_labels = refused(tmp_path, text(answers()), reject="other")
    assert (no_labels.param, "the rows are answers in free text" in str(no_labels)) == ("postil.reject", True)


def test_a_content_that_is_not_on_the_disk_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="not on this gateway's disk") as gone:
        folder.prepare(tmp_path / "job", tmp_path / "nothing", None, seed=1, reject=None)
    assert gone.value.param == "training_file"


def test_a_result_counts_once_it_is_whole_and_says_where_it_came_from(tmp_path: Path) -> None:
    assert folder.result(tmp_path) is None
    written(tmp_path / "result/training.json", json.dumps({"accuracy": 1}))
    made = folder.result(tmp_path)
    assert made is not None
    assert folder.add_lineage(made, {"id": "ftjob-1"}) == {"accuracy": 1, "job": {"id": "ftjob-1"}}
    assert json.loads((made / "training.json").read_text())["job"] == {"id": "ftjob-1"}


def test_sentences_have_no_paths_and_the_names_of_a_job(tmp_path: Path) -> None:
    said = folder.plain(f"{tmp_path}/training.jsonl, line 1; --targets: x; drop --reject", tmp_path)
    assert said == "training.jsonl, line 1; postil.targets: x; drop postil.reject"
