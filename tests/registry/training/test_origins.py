"""Accuracy by where rows come from, which rows say themselves."""

from __future__ import annotations

from pathlib import Path

from postil.registry.training.dataset import Example, load
from postil.registry.training.origins import by_origin
from postil.registry.training.report import Judged
from tests.registry.training.data.files import labelled, write


def judged(origin: str, right: bool = True, label: str = "a") -> Judged:
    return Judged(Example("", "m", label, 1, (), origin), label if right else "b", 0.9, 0.1)


def test_each_origin_has_its_share_with_an_interval_and_rejects_are_left_out() -> None:
    rows = [judged("")] * 6 + [judged("review")] * 3 + [judged("review", right=False), judged("review", label="none")]
    found = by_origin(rows, "none")
    assert [(name, one.examples, one.right, one.accuracy) for name, one in found.items()] == [
        ("not stated", 6, 6, 1.0),
        ("review", 4, 3, 0.75),
    ]
    assert found["review"].interval == (0.3006, 0.9544)


def test_where_no_row_says_where_it_comes_from_there_are_no_figures() -> None:
    assert by_origin([judged("")], None) == {}
    assert by_origin([], None) == {}


def test_of_many_origins_those_with_most_rows_are_shown() -> None:
    rows = [judged(f"{number:02}") for number in range(30) for _ in range(number + 1)] + [judged("x" * 100)] * 40
    found = by_origin(rows, None)
    assert len(found) == 21
    assert found["x" * 64].examples == 40
    assert found["others"].examples == sum(range(1, 12))


def test_a_row_says_its_origin_and_how_it_was_varied(tmp_path: Path) -> None:
    path = write(
        tmp_path / "rows.jsonl",
        labelled("one", "a"),
        labelled("two", "b", origin="review"),
        labelled("three", "b", origin="varied", varied_by="keyboard"),
        labelled("four", "b", origin=3, varied_by="keyboard"),
    )
    assert [one.origin for one in load(path).examples] == ["", "review", "varied (keyboard)", ""]
