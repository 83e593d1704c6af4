"""Figures: what is counted as right, and which confidence minimum is advised."""

from __future__ import annotations

from postil.registry.training.dataset import Example
from postil.registry.training.report import Judged, advise, calibration, measure, mistakes


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
