"""Answers to the same rows are compared where only one of two is right."""

from __future__ import annotations

import pytest

from postil.registry.training.comparison import compare
from postil.registry.training.dataset import Example
from postil.registry.training.report import Judged


def judged(label: str, answer: str) -> Judged:
    return Judged(Example("", "m", label, 1), answer, 0.9, 0.1)


def test_rows_of_no_label_are_left_out() -> None:
    before = [judged("a", "b")] * 6 + [judged("a", "a")] * 94 + [judged("other", "a")]
    after = [judged("a", "a")] * 100 + [judged("other", "other")]
    found = compare(before, after, "other")
    assert (found.rows, found.only_before, found.only_after, found.difference) == (100, 0, 6, 0.06)
    assert found.p == pytest.approx(2 / 2**6)
    assert found.interval[0] < found.least < found.difference < found.interval[1]


def test_a_lower_confidence_gives_a_narrower_interval() -> None:
    rows = [judged("a", "a")] * 50
    assert compare(rows, rows, None, 0.8).interval[1] < compare(rows, rows, None).interval[1]
