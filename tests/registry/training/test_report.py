"""Figures: what is counted as right, and which confidence minimum is advised."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from postil.registry.training.dataset import Dataset, Example
from postil.registry.training.mistakes import mistakes
from postil.registry.training.report import (
    Evaluation,
    Judged,
    TrainReport,
    advise,
    against_linear,
    calibration,
    findings,
    measure,
    outcomes,
)
from tests.support.paths import ROOT


def judged(label: str, answer: str, probability: float = 0.9) -> Judged:
    return Judged(Example("Sort.", "message", label, 1), answer, probability, 0.5)


def test_accuracy_is_over_real_labels_with_the_confusion_of_each() -> None:
    rows = [judged("a", "a"), judged("a", "b"), judged("b", "b"), judged("b", "b"), judged("other", "a")]
    metrics = measure(rows, reject="other")
    assert (metrics.examples, metrics.right, metrics.accuracy, metrics.loss) == (4, 3, 0.75, 0.5)
    assert metrics.labels["a"].answered == {"a": 1, "b": 1}
    assert metrics.labels["b"].accuracy == 1.0
    assert "other" not in metrics.labels


def test_the_advice_loses_at_most_one_right_answer_in_a_hundred() -> None:
    right = [judged("a", "a", 0.3), judged("a", "a", 0.45), *[judged("a", "a", 0.99)] * 98]
    wrong = [judged("a", "b", 0.35), judged("a", "b", 0.8), judged("a", "other", 0.9)]
    rejects = [judged("other", "a", 0.01), judged("other", "a", 0.9), judged("other", "other", 0.9)]
    advice = advise([*right, *wrong, *rejects], reject="other")
    assert advice.minimum == 0.45
    assert (advice.right_below, advice.wrong_below) == (1, 2)
    assert (advice.rejects, advice.rejects_below) == (3, 2)


def test_the_advice_is_never_above_one_half() -> None:
    assert advise([judged("a", "a", 0.999)] * 10, reject=None).minimum == 0.5


def test_the_advice_is_in_calibrated_probabilities() -> None:
    rows = [*[judged("a", "a", 0.9)] * 99, judged("a", "a", 0.2), judged("a", "b", 0.9)]
    assert advise(rows, reject=None).minimum == 0.5
    assert advise([*rows, judged("a", "a", 0.2)], reject=None, temperature=2.0).minimum == 0.33


def test_only_answers_that_would_be_served_are_calibrated() -> None:
    rows = [judged("a", "a"), judged("a", "other"), judged("other", "other"), judged("other", "a")] * 20
    assert calibration(rows, reject="other").answers == 40


def test_mistakes_are_listed_the_surest_first_without_rejects() -> None:
    rows = [judged("a", "b", 0.4), judged("a", "b", 0.8), judged("a", "a"), judged("other", "a")]
    assert [one.probability for one in mistakes(rows, reject="other")] == [0.8, 0.4]


def test_shares_have_intervals_and_every_label_its_f1() -> None:
    metrics = measure([judged("a", "a")] * 95 + [judged("a", "b")] * 5 + [judged("b", "b")] * 50, reject=None)
    assert metrics.labels["a"].interval == (0.8882, 0.9785)
    assert metrics.labels["a"].f1 == pytest.approx(190 / 195, abs=1e-4)
    assert metrics.macro_f1 == pytest.approx((190 / 195 + 100 / 105) / 2, abs=1e-4)
    assert metrics.interval == (0.9243, 0.9857)


def test_outcomes_are_kept_by_label_in_the_order_of_the_file() -> None:
    rows = [judged("b", "b"), judged("a", "b"), judged("b", "a"), judged("other", "a"), judged("a", "a")]
    assert outcomes(rows, reject="other") == {"a": "01", "b": "10"}


def test_other_rows_fit_the_threshold_and_the_figures_check_it() -> None:
    shown, fitted = [judged("a", "a")] * 40 + [judged("b", "a", 0.3)] * 10, [judged("a", "a")] * 200
    found = findings(shown, None, fitted)
    assert found["accuracy"] == 0.8
    assert found["calibration"].answers == 200
    [promised] = found["promises"]
    assert (promised.rows, promised.answered, promised.minimum) == (200, 200, 0.0)
    assert (promised.held_out.answered, promised.held_out.wrong) == (50, 10)
    assert findings(shown, None)["calibration"].answers == 50


def test_a_linear_model_stands_beside_the_adapter_row_by_row(tmp_path: Path) -> None:
    training = Dataset(tmp_path / "t.jsonl", (Example("", "m", "a", 1),), "f", ("a",), "sha256:0")
    ours = [judged("a", "a")] * 3 + [judged("other", "other")]
    theirs = [judged("a", "a"), judged("a", "b"), judged("a", "b"), judged("other", "other", 0.5)]
    found = against_linear(training, theirs, ours, "other")
    assert found.training == {"file": "t.jsonl", "digest": "sha256:0", "examples": 1}
    assert (found.comparison.only_before, found.comparison.only_after, found.comparison.rows) == (0, 2, 3)
    assert (found.metrics.right, found.confidence.rejects_below) == (1, 1)


EVALUATED = ROOT / "deploy/demo/healthcare/triage/2/training.json"
OLDER = sorted({*(ROOT / "deploy/demo").glob("*/*/*/training.json")} - {EVALUATED})


def test_an_evaluated_report_keeps_the_answers_that_a_running_engine_is_held_against() -> None:
    report = TrainReport.model_validate_json(EVALUATED.read_bytes())
    [kept] = report.predictions
    assert kept.answers is not None
    assert (len(kept.answers), kept.file) == (350, report.validation)


@pytest.mark.parametrize("path", OLDER, ids=str)
def test_reports_of_before_are_read(path: Path) -> None:
    report = TrainReport.model_validate_json(path.read_bytes())
    assert (report.adapter_metrics.interval, report.promises, report.linear) == (None, (), None)


def evaluation(**files: str | None) -> Evaluation:
    """The figures of one of the demo's adapters, with files of these digests."""
    path = ROOT / "deploy/demo/healthcare/triage/2/training.json"
    named = {key: digest and {"file": f"{digest}.jsonl", "digest": digest} for key, digest in files.items()}
    return Evaluation.model_validate(json.loads(path.read_bytes()) | named)


def test_a_report_says_what_was_chosen_on_the_rows_of_its_figures() -> None:
    same = evaluation(validation="a", selection="a", calibrated_on="a").notes
    assert [note.partition(" on ")[0] for note in same] == [
        "the epoch was chosen", "temperature and minimum were fitted", "the epoch was chosen",
    ]  # fmt: skip
    assert evaluation(validation="a", selection="b", calibrated_on="c").notes == ()
    assert evaluation(validation="a", selection=None, calibrated_on=None).notes == ()
    [note] = evaluation(validation="a", selection="b", calibrated_on="b").notes
    assert note.startswith("the epoch was chosen on b.jsonl: a promise takes rows that chose nothing")
