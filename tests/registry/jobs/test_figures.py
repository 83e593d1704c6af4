"""Each method's report has figures of its own; a job shows those that there are."""

from __future__ import annotations

from postil.registry.jobs.figures import figures

ANSWERS = {"rows": 4, "loss": 1.5, "accuracy": None}
PAIRS = {"pairs": 4, "accuracy": 0.75}


def test_of_labels_both_accuracies_and_the_loss() -> None:
    report = {"base_metrics": {"accuracy": 0.5, "loss": 2.0}, "adapter_metrics": {"accuracy": 1.0, "loss": 0.25}}
    assert figures(report) == {"accuracy": 1.0, "base_accuracy": 0.5, "full_valid_loss": 0.25}


def test_of_free_text_the_loss_of_what_is_served() -> None:
    before = {"answers": {**ANSWERS, "loss": 3.0}, "preferences": None}
    trained = {"answers": ANSWERS, "preferences": None}
    served = {"answers": {**ANSWERS, "loss": 1.75}, "preferences": None}
    assert figures({"before": before, "trained": trained, "served": None}) == {"full_valid_loss": 1.5}
    assert figures({"before": before, "trained": trained, "served": served}) == {"full_valid_loss": 1.75}


def test_of_preferences_how_often_the_better_answer_is_the_likelier_one() -> None:
    before = {"answers": None, "preferences": {**PAIRS, "accuracy": 0.5}}
    found = figures({"before": before, "trained": {"answers": None, "preferences": PAIRS}, "served": None})
    assert found == {"accuracy": 0.75, "base_accuracy": 0.5}
