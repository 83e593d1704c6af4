"""F1 is that of scikit-learn."""

from __future__ import annotations

import random

import pytest

from postil.registry.training.statistics.labels import f1_by_label, macro_f1


def test_f1_is_that_of_scikit_learn_also_where_other_labels_are_answered() -> None:
    from sklearn.metrics import f1_score

    chance = random.Random(1)
    rows = [(chance.choice("aabc"), chance.choice("abcr")) for _ in range(200)]
    true, told = zip(*rows, strict=True)
    labels = ["a", "b", "c"]
    theirs = f1_score(true, told, labels=labels, average=None, zero_division=0)
    assert list(f1_by_label(rows).values()) == pytest.approx(list(theirs))
    assert macro_f1(rows) == pytest.approx(f1_score(true, told, labels=labels, average="macro", zero_division=0))


def test_a_rare_label_that_is_never_answered_counts_as_much_as_a_common_one() -> None:
    assert macro_f1([("a", "a")] * 99 + [("b", "a")]) == pytest.approx(198 / 199 / 2)
