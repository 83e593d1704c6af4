"""Without a validation file a fifth of each label is taken, always the same."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from postil.registry.errors import JobError
from postil.registry.jobs.split import validation_lines, validation_rows
from postil.registry.training.data.rows import Turn
from postil.registry.training.data.similar import clusters
from postil.registry.training.dataset import Example
from postil.registry.training.methods.sample_files import asked_in, same_asked
from postil.registry.training.methods.samples import Chat


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


def chats(questions: list[list[int]]) -> list[Chat]:
    """Conversations that ask these questions."""
    return [
        Chat(tuple(turn for one in asked for turn in (Turn("user", f"q{one}"), Turn("assistant", "yes"))), line)
        for line, asked in enumerate(questions, 1)
    ]


@given(st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=3), min_size=2, max_size=40), st.integers(0, 9))
def test_rows_that_ask_the_same_stay_together_and_both_parts_have_some(questions: list[list[int]], seed: int) -> None:
    rows = chats(questions)
    try:
        chosen = validation_rows(rows, seed)
    except JobError:
        assert set(clusters(len(rows), same_asked(rows))) == {0}
        return
    parts = [
        {asked for row in rows if (row.line in chosen) is held_out for asked in asked_in(row)}
        for held_out in (True, False)
    ]
    assert parts[0]
    assert parts[1]
    assert not parts[0] & parts[1]
    assert chosen == validation_rows(rows, seed)


def test_a_fifth_of_rows_without_labels_is_for_validation() -> None:
    rows = chats([[number] for number in range(50)])
    assert len(validation_rows(rows, 1)) == 10
    assert validation_rows(rows, 1) != validation_rows(rows, 2)
    assert len(validation_rows(chats([[1], [1], [1], [2], [2]]), 1)) == 2  # No smaller part is there.


def test_rows_that_all_ask_the_same_are_refused() -> None:
    with pytest.raises(JobError, match="all rows ask the same"):
        validation_rows(chats([[1], [1]]), 1)
