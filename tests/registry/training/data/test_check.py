"""What is said of training data before anybody learns from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from postil.registry.errors import BaseModelError, DatasetError
from postil.registry.training.data.check import check
from postil.registry.training.data.checks.lengths import own_window, token_counter
from postil.registry.training.data.report import DataFinding, DataReport
from tests.registry.training.data.files import labelled, messages, write, write_labelled

MAIL = "write to jane.doe@example.org today"


def found(report: DataReport, name: str) -> list[DataFinding]:
    return [finding for finding in report.findings if finding.check == name]


def levels(report: DataReport) -> list[tuple[str, str]]:
    return [(finding.level, finding.check) for finding in report.findings]


def test_good_files_have_no_error_and_no_warning(tmp_path: Path) -> None:
    training = write_labelled(tmp_path / "a.jsonl", messages(80))
    validation = write_labelled(tmp_path / "b.jsonl", messages(80, seed=1))
    report = check(training, [validation])
    assert (report.errors, report.warnings) == (0, 0)
    assert levels(report) == [("note", "length")]
    [one, _] = report.files
    assert (one.rows, one.field, one.labels) == (80, "category", {"billing": 40, "symptoms": 40})
    assert (one.form, one.format, one.kind, one.tokens) == ("instruction/input/output", "jsonl", "instruction", None)


def test_the_report_is_the_same_each_time(tmp_path: Path) -> None:
    rows = messages(80)
    rows[5] = (rows[5][0], rows[4][1])
    path = write_labelled(tmp_path / "a.jsonl", rows)
    assert check(path).model_dump_json() == check(path).model_dump_json()


def test_all_faults_of_lines_are_errors_up_to_fifty(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", *(["{"] * 52), labelled("a", "x"), labelled("b", "X"), labelled("c", "y"))
    report = check(path)
    assert report.errors == 51
    assert found(report, "form")[0].text == "line 1: this is not a JSON object"
    assert found(report, "form")[-1].text == "3 more lines have faults"


def test_labels_that_differ_by_case_are_errors(tmp_path: Path) -> None:
    rows = [*messages(80), ("quite another text", "Billing ")]
    report = check(write_labelled(tmp_path / "a.jsonl", rows))
    assert "line 81: the label 'Billing ' differs from 'billing' in line 1" in found(report, "form")[0].text


def test_few_rows_and_much_more_of_another_label_are_warnings(tmp_path: Path) -> None:
    rows = [row for row in messages(200) if row[1] == "billing"] + messages(20, seed=1)
    report = check(write_labelled(tmp_path / "a.jsonl", rows[:-10]))
    few, many = found(report, "balance")
    assert few.text == "the label 'symptoms' has 5 rows, fewer than 30"
    assert many.text == "the label 'billing' has 105 rows, more than 5 times the 5 of 'symptoms'"


def test_one_label_alone_is_an_error(tmp_path: Path) -> None:
    report = check(write_labelled(tmp_path / "a.jsonl", [(text, "x") for text, _ in messages(40)]))
    assert ("error", "labels") in levels(report)
    assert "two labels have to have rows" in found(report, "suspects")[0].text


def test_labels_that_training_does_not_show_are_errors(tmp_path: Path) -> None:
    training = write_labelled(tmp_path / "a.jsonl", messages(80))
    rows = [("one", "Billing"), ("two", "legal"), ("three", "symptoms")]
    report = check(training, [write_labelled(tmp_path / "b.jsonl", rows)])
    twin, unknown = found(report, "labels")
    assert "the label 'Billing' differs from 'billing'" in twin.text
    assert ("the label 'legal' is not in" in unknown.text, unknown.spots[0].line) == (True, 2)


def test_another_field_is_an_error_and_files_without_labels_have_none(tmp_path: Path) -> None:
    training = write_labelled(tmp_path / "a.jsonl", messages(80))
    other = write(tmp_path / "b.jsonl", *(labelled(text, "x", output=f'{{"class": "{text}"}}') for text in "ab"))
    assert "have the field 'class'" in found(check(training, [other]), "labels")[0].text
    plain = write(tmp_path / "c.jsonl", {"text": "a"})
    assert found(check(training, [plain]), "labels") == []


def test_repeated_and_near_rows_are_told_with_their_partners(tmp_path: Path) -> None:
    rows = messages(80)
    rows += [rows[3], (rows[4][0] + " yes", rows[4][1])]
    same, near = found(check(write_labelled(tmp_path / "a.jsonl", rows)), "duplicates")
    assert (same.level, same.count, same.spots[0].line, same.spots[0].other_line) == ("warning", 1, 81, 4)
    assert (near.level, near.count, near.spots[0].line, near.spots[0].other_line) == ("note", 1, 82, 5)


def test_a_row_in_another_file_is_an_error_and_a_near_one_a_warning(tmp_path: Path) -> None:
    rows = messages(80)
    training = write_labelled(tmp_path / "a.jsonl", rows)
    other = [rows[0], (rows[1][0] + " yes", rows[1][1]), *messages(40, seed=2)]
    same, near = found(check(training, [write_labelled(tmp_path / "b.jsonl", other)]), "leak")
    assert (same.level, same.count, same.spots[0].other_file) == ("error", 1, str(training))
    assert (near.level, near.count, near.spots[0].other_line) == ("warning", 1, 2)


def test_a_leak_of_text_is_a_warning(tmp_path: Path) -> None:
    files = [write(tmp_path / name, {"text": "some text"}) for name in "ab"]
    assert ("warning", "leak") in levels(check(files[0], files[1:]))


def test_near_rows_with_other_labels_contradict_each_other_unless_the_instruction_is_another(tmp_path: Path) -> None:
    rows = [labelled(text, label) for text, label in messages(80)]
    text, other = messages(80)[4][0], "symptoms"
    path = write(tmp_path / "a.jsonl", *rows, labelled(text + " yes", other))
    [one] = found(check(path), "contradictions")
    assert (one.spots[0].line, one.spots[0].label, one.spots[0].suggested) == (81, "symptoms", "billing")
    path = write(tmp_path / "a.jsonl", *rows, labelled(text + " yes", other, instruction="Else."))
    assert found(check(path), "contradictions") == []


def test_a_wrong_label_is_on_the_shortlist_and_personal_data_is_not_shown(tmp_path: Path) -> None:
    rows = messages(200)
    rows[10] = ("invoice refund price charge payment receipt", "symptoms")
    rows[21] = (f"{rows[21][0]} {MAIL}", "billing")
    report = check(write_labelled(tmp_path / "a.jsonl", rows))
    [wrong] = found(report, "suspects")
    spots = {spot.line: spot for spot in wrong.spots}
    assert (spots[11].label, spots[11].suggested) == ("symptoms", "billing")
    assert spots[11].text == rows[10][0][:60]
    assert spots[22].text is None
    assert "jane" not in report.model_dump_json()


def test_a_row_between_two_labels_is_on_the_shortlist(tmp_path: Path) -> None:
    neither = ["so bad please", "again today for", "tell me about it", "what and since"]
    rows = [*messages(200), *zip(neither, ["billing", "symptoms"] * 2, strict=True)]
    report = check(write_labelled(tmp_path / "a.jsonl", rows))
    [unsure] = found(report, "ambiguous")
    assert {spot.line for spot in unsure.spots} <= {201, 202, 203, 204}


def test_personal_data_is_counted_and_never_shown(tmp_path: Path) -> None:
    pair = {"prompt": "hi", "chosen": "hello", "rejected": MAIL}
    report = check(write(tmp_path / "a.jsonl", pair, pair | {"prompt": "other", "rejected": "go"}))
    [one] = found(report, "pii")
    assert (one.count, [spot.line for spot in one.spots]) == (1, [1])
    assert "jane" not in report.model_dump_json()


def test_origins_are_counted(tmp_path: Path) -> None:
    report = check(write(tmp_path / "a.jsonl", {"text": "some"}, {"text": "other", "origin": "varied"}))
    assert report.files[0].origins == {"varied": 1}


def test_free_text_answers_are_no_faulty_labels(tmp_path: Path) -> None:
    rows = [labelled("a", "x"), labelled("b", "x", output="free"), labelled("c", "x", output="text")]
    report = check(write(tmp_path / "a.jsonl", *rows))
    assert (report.errors, report.files[0].labels) == (0, {})


def test_a_file_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"text": "a"})
    with pytest.raises(DatasetError, match="is named twice"):
        check(path, [tmp_path / "." / "a.jsonl"])


@pytest.mark.tune
def test_rows_beyond_the_window_are_told_by_the_bases_own_tokens(tmp_path: Path, tiny_base: Path) -> None:
    long = {"messages": [{"role": "user", "content": "a" * 200}, {"role": "assistant", "content": "b"}]}
    short = {"messages": [{"role": "user", "content": "quite short"}, {"role": "assistant", "content": "b"}]}
    path = write(tmp_path / "a.jsonl", long, short)
    report = check(path, base=tiny_base, window=100)
    [one] = found(report, "length")
    assert (one.level, one.count, one.spots[0].line) == ("error", 1, 1)
    assert report.files[0].tokens == 205
    texts = write(tmp_path / "b.jsonl", {"text": "a" * 200}, {"text": "b"})
    [one] = found(check(texts, base=tiny_base, window=100), "length")
    assert (one.level, one.count) == ("error", 1)
    row = {"prompt": "a" * 7, "completion": "b" * 2}
    report = check(write(tmp_path / "c.jsonl", row), base=tiny_base)
    assert (report.window, report.files[0].tokens, found(report, "length")) == (2048, 13, [])


@pytest.mark.tune
@pytest.mark.parametrize(
    ("method", "row"),
    [
        ("sft", {"prompt": "a" * 7, "completion": "b" * 2}),
        ("text", {"text": "a" * 7}),
        ("dpo", {"prompt": "a", "chosen": "b", "rejected": "c" * 9}),
    ],
)
def test_rows_have_as_many_tokens_as_training_gives_them(
    method: str, row: dict[str, str], tmp_path: Path, tiny_base: Path
) -> None:
    from postil.registry.training.methods.encoding import Encoder
    from postil.registry.training.methods.rows import encode
    from postil.registry.training.methods.sample_files import read_samples
    from postil.registry.training.model import load_base

    path = write(tmp_path / "a.jsonl", row)
    rows = encode(read_samples(path, method), Encoder(load_base(tiny_base, 0)[1]))
    longest = max(len(one.ids) for one in (*rows.shown, *(pair.rejected for pair in rows.pairs)))
    assert check(path, base=tiny_base).files[0].tokens == longest


def test_a_base_without_tokenizer_is_refused_and_one_without_window_has_none(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="has no tokenizer that can be loaded"):
        token_counter(tmp_path)
    assert own_window(tmp_path) is None
    values: list[object] = [{"max_position_embeddings": "x"}, []]
    for value in values:
        (tmp_path / "config.json").write_text(json.dumps(value))
        assert own_window(tmp_path) is None
