"""Compares two sets of answers to the same rows: an adapter and another release, or an adapter and a linear model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from postil.plugins.statistics.paired import Pairs, difference_interval, least_difference, mcnemar
from postil.plugins.statistics.shares import CONFIDENCE

if TYPE_CHECKING:
    from postil.registry.training.report import Judged

_DIGITS = 4


class Comparison(BaseModel):
    """Rows that both answered, those that only one answers right, and what follows from that.

    ``difference`` is the second one's accuracy less the first one's, ``interval`` its two-sided interval (Tango 1998),
    ``least`` its one-sided bound, both at ``confidence``; ``p`` is the exact two-sided McNemar test's.
    """

    model_config = ConfigDict(frozen=True)

    rows: int
    only_before: int
    only_after: int
    p: float
    difference: float
    interval: tuple[float, float]
    least: float
    confidence: float


def compare(
    before: Sequence[Judged], after: Sequence[Judged], reject: str | None, confidence: float = CONFIDENCE
) -> Comparison:
    """Compare answers to the same rows in the same order; rows of the reject label are left out, as in accuracy."""
    rows = [(a.right, b.right) for a, b in zip(before, after, strict=True) if a.example.label != reject]
    return compared(Pairs.counted(rows), confidence)


def compared(pairs: Pairs, confidence: float = CONFIDENCE) -> Comparison:
    """Return what counts of pairs say."""
    low, high = difference_interval(pairs, confidence)
    return Comparison(
        rows=pairs.rows,
        only_before=pairs.only_before,
        only_after=pairs.only_after,
        p=mcnemar(pairs),
        difference=round(pairs.difference, _DIGITS),
        interval=(round(low, _DIGITS), round(high, _DIGITS)),
        least=round(least_difference(pairs, confidence), _DIGITS),
        confidence=confidence,
    )
