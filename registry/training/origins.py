"""Accuracy by where rows come from: rows of before, decided reviews, each way of variation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from postil.plugins.statistics.shares import wilson

if TYPE_CHECKING:
    from postil.registry.training.report import Judged

# Rows that do not say where they come from, and those of origins that are too many to show.
UNSTATED = "not stated"
OTHERS = "others"
_SHOWN = 20
_CHARACTERS = 64
_DIGITS = 4


class OriginMetrics(BaseModel):
    """Results of the rows of one origin; ``interval`` is the 95 % interval of the accuracy after Wilson."""

    model_config = ConfigDict(frozen=True)

    examples: int
    right: int
    accuracy: float
    interval: tuple[float, float]


def by_origin(judged: Sequence[Judged], reject: str | None) -> dict[str, OriginMetrics]:
    """Return the figures by origin, most rows first; empty where no row says where it comes from.

    Rows of the reject label are left out, as in accuracy.
    """
    rows = [(one.example.origin[:_CHARACTERS], one.right) for one in judged if one.example.label != reject]
    if not any(origin for origin, _ in rows):
        return {}
    named = Counter(origin for origin, _ in rows if origin)
    shown = {"": UNSTATED} | {origin: origin for origin, _ in named.most_common(_SHOWN)}
    counts: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for origin, is_right in rows:
        name = shown.get(origin, OTHERS)
        counts[name] += 1
        right[name] += is_right
    return {name: _metrics(right[name], count) for name, count in counts.most_common()}


def _metrics(right: int, count: int) -> OriginMetrics:
    low, high = wilson(right, count)
    return OriginMetrics(
        examples=count,
        right=right,
        accuracy=round(right / count, _DIGITS),
        interval=(round(low, _DIGITS), round(high, _DIGITS)),
    )
