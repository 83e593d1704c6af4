"""The files of a training run and of an evaluation: each for its own purpose, and no message in two of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from postil.registry.errors import DatasetError
from postil.registry.training.dataset import Dataset, check_apart


def check_splits(training: Dataset | None, others: Sequence[Dataset]) -> None:
    """Refuse files that share a message or differ in field, and labels without training rows. Raises DatasetError."""
    if training is not None:
        for dataset in others:
            check_apart(training, dataset)
    for first, second in combinations(others, 2):
        _check_other_rows(first, second)


def _check_other_rows(first: Dataset, second: Dataset) -> None:
    if first.field != second.field:
        raise DatasetError(
            f"{second.path} answers with {second.field!r}, {first.path} with {first.field!r}; use one field in both"
        )
    seen = {example.key: example.line for example in first.examples}
    for example in second.examples:
        if example.key in seen:
            raise DatasetError(
                f"{second.path}, line {example.line}: the input also occurs in {first.path}, line"
                f" {seen[example.key]}; take it out of one of the two"
            )
