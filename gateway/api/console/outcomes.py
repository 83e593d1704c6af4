"""How the requests of each adapter ended since this gateway started, and the picture of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from postil.gateway.telemetry import metric_table as metrics
from postil.gateway.telemetry.request_metrics import ANSWERED
from postil.gateway.telemetry.sums import Sums

_WIDTH = 120.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One part of the picture: from where it goes how far, of ``_WIDTH`` in all."""

    start: float
    width: float


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How many requests ended in which way, the most frequent first."""

    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts.values())

    @property
    def answered(self) -> float:
        """The share that got the model's own answer."""
        return self.counts.get(ANSWERED, 0) / self.total if self.total else 0.0

    @property
    def bars(self) -> list[Bar]:
        """The parts of the picture: the model's own answers, then all others."""
        own = round(self.answered * _WIDTH, 1)
        return [Bar(0.0, own), Bar(own, round(_WIDTH - own, 1))]

    def __str__(self) -> str:
        """``118 answered, 2 fallback``."""
        return ", ".join(f"{count:,} {outcome.replace('_', ' ')}" for outcome, count in self.counts.items())


def outcomes_of(sums: Sums, adapters: Collection[str]) -> dict[str, Outcomes]:
    """Return the outcomes of these adapters; one that was not asked is left out."""
    counts = defaultdict[str, Counter[str]](Counter)
    for (metric, *labels), (value, *_) in sums.copy().items():
        if metric == metrics.REQUESTS and labels[0] in adapters:
            counts[labels[0]][labels[-1]] += int(value)
    return {name: Outcomes(dict((+found).most_common())) for name, found in counts.items() if +found}
