"""Figures of each label from pairs (label, what was answered)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

Answered = Sequence[tuple[str, str]]


def f1_by_label(answered: Answered) -> dict[str, float]:
    """Return the F1 of each label that occurs: the harmonic mean of its recall and its precision."""
    true, told = Counter(label for label, _ in answered), Counter(answer for _, answer in answered)
    right = Counter(label for label, answer in answered if label == answer)
    return {label: 2 * right[label] / (true[label] + told[label]) for label in sorted(true)}


def macro_f1(answered: Answered) -> float:
    """Return the mean F1 over the labels that occur, each counted alike however rare it is."""
    found = f1_by_label(answered)
    return sum(found.values()) / len(found)
