"""What shows that an engine answers as training did, and what shows that it does not."""

from __future__ import annotations

from typing import Any

import pytest

from postil.registry.training.agreement import (
    Served,
    Threshold,
    Verification,
    accuracy,
    agreement,
    confidences,
    effect,
)
from postil.registry.training.dataset import Example

RULE = Threshold(0.4, 1.0, "none")


def example(label: str, line: int = 1) -> Example:
    return Example("", "m", label, line)


def verification(**more: Any) -> Verification:
    """A release with which all is well."""
    rows, trained = [example("a")] * 100, [("a", 0.9)] * 100
    served = [Served("a", 0.9)] * 100
    made: dict[str, Any] = {
        "release": "a/b@1",
        "file": {},
        "rows": 100,
        "answers": agreement(rows, trained, served, RULE, 0.02),
        "confidence": None,
        "accuracy": accuracy(rows, served, "none", {"adapter_metrics": {"right": 99, "examples": 100}}),
        "effect": effect(served, [Served("b", 0.9)] * 100),
    }
    return Verification(**made | more)


def test_equal_answers_by_an_adapter_that_changes_something_are_verified() -> None:
    found = verification()
    assert found.problems == ()
    assert found.verified
    assert found.model_dump()["verified"] is True


def test_an_adapter_that_changes_nothing_is_not_applied() -> None:
    same = [Served("a", 0.9)] * 3
    found = verification(effect=effect(same, [Served("a", 0.9004)] * 3))
    assert found.effect.changed == 0
    assert found.problems == (
        "the adapter is not applied: in all 3 rows it answers as the base does, with the same probability",
    )


def test_another_probability_of_the_same_label_is_a_change() -> None:
    adapter = [Served("a", 0.9), Served("a", 0.9), Served("a", None), Served(None, reason="unsure"), Served("a", 0.9)]
    base = [Served("a", 0.7), Served("b", 0.9), Served("a", 0.5), Served("a", 0.9), Served("a", 0.9)]
    found = effect(adapter, base)
    assert (found.rows, found.other_label, found.other_probability, found.changed) == (4, 1, 1, 2)


def test_where_all_is_held_back_nothing_is_shown() -> None:
    found = verification(effect=effect([Served(None)], [Served("a")]))
    assert found.problems[0].startswith("no answer of the adapter could be compared with the base's")


def test_more_rows_that_differ_than_may_are_a_problem() -> None:
    rows = [example("a", line) for line in range(1, 101)]
    served = [Served("b")] * 3 + [Served("a")] * 97
    found = agreement(rows, [("a", 0.9)] * 100, served, RULE, 0.02)
    assert (found.same, found.allowed, [one.line for one in found.different]) == (97, 2, [1, 2, 3])
    assert verification(answers=found).problems == (
        "the engine does not answer as training did: 3 of 100 rows differ, and 2 may",
    )
    assert verification(answers=agreement(rows, [("a", 0.9)] * 100, served, RULE, 0.03)).verified


@pytest.mark.parametrize(
    ("label", "probability", "rule", "differs"),
    [
        ("none", 0.99, RULE, False),
        ("a", 0.3, RULE, False),
        ("a", 0.41, RULE, False),
        ("a", 0.9, RULE, True),
        ("a", 0.1, Threshold(), True),
        ("a", 0.6, Threshold(0.55, 20.0), False),
    ],
)
def test_what_is_held_back_has_to_be_unsure_in_training_too(
    label: str, probability: float, rule: Threshold, differs: bool
) -> None:
    found = agreement([example("a")], [(label, probability)], [Served(None, reason="unsure")], rule, 0.0)
    assert bool(found.different) is differs
    assert found.held_back == 1


def test_probabilities_are_compared_where_the_labels_are_equal() -> None:
    served = [Served("a", 0.8), Served("b", 0.1), Served("a"), Served("a", 0.9)]
    found = confidences([("a", 0.9)] * 4, served)
    assert found is not None
    assert (found.rows, found.mean, found.largest) == (2, 0.05, 0.1)
    assert confidences([("a", 0.9)], [Served("b", 0.9)]) is None


def test_without_kept_answers_a_much_lower_accuracy_is_a_problem() -> None:
    report = {"adapter_metrics": {"right": 96, "examples": 100}}
    rows = [*[example("a")] * 100, example("none")]
    low = accuracy(rows, [Served("b")] * 40 + [Served("a")] * 61, "none", report)
    assert low is not None
    assert (low.rows, low.right, low.accuracy, low.trained) == (100, 60, 0.6, 0.96)
    assert verification(answers=None, accuracy=low).problems == (
        "the engine is not as good as training was: 60.0% of 100 rows are right, and 96.0% were in training",
    )
    held = accuracy(rows, [Served(None)] * 40 + [Served("a")] * 61, "none", report)
    assert held is not None
    assert held.agrees
    assert held.held_back == 40


@pytest.mark.parametrize(
    "metrics", [None, 1, {}, {"right": 1}, {"right": True, "examples": 2}, {"right": 3, "examples": 2}]
)
def test_a_report_without_figures_verifies_nothing(metrics: Any) -> None:
    found = accuracy([example("a")], [Served("a")], None, {"adapter_metrics": metrics})
    assert found is None
    assert "has no figures for these rows" in verification(answers=None, accuracy=found).problems[0]


def test_rows_of_the_reject_label_alone_have_no_accuracy() -> None:
    report = {"adapter_metrics": {"right": 1, "examples": 1}}
    assert accuracy([example("none")], [Served(None)], "none", report) is None
