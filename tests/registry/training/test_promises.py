"""What is promised is told for all messages and for critical labels, each by its own rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from postil.registry.errors import DatasetError
from postil.registry.training.dataset import Dataset, Example
from postil.registry.training.promises import Wanted, check_critical, promises
from postil.registry.training.report import Judged


def judged(label: str, answer: str, probability: float = 0.99) -> Judged:
    return Judged(Example("", "m", label, 1), answer, probability, 0.1)


ROWS = [
    *[judged("a", "a")] * 200,
    *[judged("b", "b")] * 60,
    *[judged("other", "a", 0.5)] * 20,
    *[judged("other", "other")] * 20,
]


def test_what_is_not_answered_goes_to_review_with_an_interval() -> None:
    [found] = promises(ROWS, "other", 1.0, Wanted())
    assert (found.label, found.rows, found.answered, found.wrong) == (None, 300, 260, 0)
    assert found.minimum is not None
    assert 0.5 < found.minimum <= 0.99
    assert (found.review, found.held_out) == (round(40 / 300, 4), None)
    assert found.review_interval is not None
    assert found.review_interval[0] < 40 / 300 < found.review_interval[1]


def test_a_critical_label_needs_rows_of_its_own() -> None:
    _, a, b = promises(ROWS, "other", 1.0, Wanted(critical=("a", "b")))
    assert (a.label, a.rows, a.minimum, a.wrong) == ("a", 200, 0.0, 0)
    assert (b.label, b.minimum, b.answered, b.needed, b.review, b.review_interval) == ("b", None, 60, 149, None, None)


def test_other_rows_check_what_was_promised() -> None:
    [found] = promises(ROWS, "other", 1.0, Wanted(), [judged("a", "a"), judged("a", "b"), judged("b", "b", 0.2)])
    assert found.held_out is not None
    assert (found.held_out.answered, found.held_out.wrong) == (2, 1)
    [none] = promises(ROWS[:10], "other", 1.0, Wanted(), ROWS)
    assert none.held_out is None


def test_a_critical_label_without_rows_is_refused(tmp_path: Path) -> None:
    rows = Dataset(tmp_path / "data.jsonl", (), "f", ("a", "b"), "")
    check_critical(Wanted(critical=("a",)), rows)
    with pytest.raises(DatasetError, match=r"data.jsonl has no row of the critical label 'c'; correct it, or add such"):
        check_critical(Wanted(critical=("c",)), rows)
