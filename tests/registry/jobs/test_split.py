"""Without a validation file a fifth of each label is taken, always the same."""

from __future__ import annotations

import pytest

from postil.registry.errors import JobError
from postil.registry.jobs.split import validation_lines
from postil.registry.training.dataset import Example


def examples(*counts: int) -> list[Example]:
    """So many messages of each label."""
    made = [(f"label {number}", f"message {number} {n}") for number, count in enumerate(counts) for n in range(count)]
    return [Example("", message, label, line) for line, (label, message) in enumerate(made, start=1)]


def test_a_fifth_of_each_label_is_for_validation_and_one_at_least() -> None:
    chosen = validation_lines(examples(20, 2), 7)
    assert (len([line for line in chosen if line <= 20]), len([line for line in chosen if line > 20])) == (4, 1)


def test_the_same_seed_takes_the_same_lines_and_another_seed_others() -> None:
    rows = examples(50, 50)
    assert validation_lines(rows, 1) == validation_lines(rows, 1) != validation_lines(rows, 2)


def test_equal_messages_stay_together() -> None:
    rows = [*examples(3), Example("", "Message 0 0 ", "label 0", 9)]
    for seed in range(20):
        chosen = validation_lines(rows, seed)
        assert (1 in chosen) is (9 in chosen)


def test_a_label_with_one_message_is_refused() -> None:
    with pytest.raises(JobError, match="the label 'label 1' has one message"):
        validation_lines(examples(2, 1), 1)
