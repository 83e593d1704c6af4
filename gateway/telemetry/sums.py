"""Counters and histograms in memory: added to in the event loop, taken or copied by whoever tells them on."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence

from postil.gateway.telemetry.metric_table import DROPPED, METRICS, SECONDS

# A metric's name, then the values of its labels in the order of the table.
Series = tuple[str, ...]
# A counter is one figure; a histogram a count for each bound, one for what is above them all, and the sum.
Values = list[float]
# So many series a metric may have: a release more is counted under `other`.
MOST_SERIES = 10_000
# A histogram is seventeen lines for each of its series.
MOST_HISTOGRAMS = 200
_OTHER = "other"


class Sums:
    """Sums by series. Not for several threads: ``copy`` is what another one may read."""

    def __init__(self, most: int = MOST_SERIES, most_histograms: int = MOST_HISTOGRAMS) -> None:
        self._series: dict[Series, Values] = {}
        self._counts: dict[str, int] = {}
        self._most = {name: most_histograms if one.kind == "histogram" else most for name, one in METRICS.items()}

    def count(self, series: Series, amount: float = 1.0) -> None:
        """Add to a counter."""
        found = self._series.get(series)
        if found is None:
            found = self._new(series, 1)
        found[0] += amount

    def observe(self, series: Series, seconds: float) -> None:
        """Add a duration to a histogram."""
        found = self._series.get(series)
        if found is None:
            found = self._new(series, len(SECONDS) + 2)
        found[bisect_left(SECONDS, seconds)] += 1
        found[-1] += seconds

    def merge(self, told: Mapping[Series, Sequence[float]]) -> None:
        """Add what another process has counted. What is no series of the table is left out."""
        for series, values in told.items():
            if not _is_known(series, values):
                continue
            found = self._series.get(series)
            if found is None:
                found = self._new(series, len(values))
            for at, value in enumerate(values):
                found[at] += value

    def take(self) -> dict[Series, Values]:
        """All that was added since the last time, to be told on."""
        taken, self._series, self._counts = self._series, {}, {}
        return taken

    def series(self) -> Iterable[Series]:
        """The series that there are."""
        return self._series.keys()

    def copy(self) -> dict[Series, Values]:
        """What was added so far."""
        return {series: values.copy() for series, values in self._series.items()}

    def forget(self, gone: Callable[[Series], bool]) -> None:
        """Drop series that nobody will add to any more."""
        for series in [series for series in self._series if gone(series)]:
            del self._series[series]
            self._counts[series[0]] -= 1

    def _new(self, series: Series, values: int) -> Values:
        """Another series, or the one that takes what is too much."""
        name = series[0]
        if self._counts.get(name, 0) >= self._most[name]:
            self.count((DROPPED, name))
            series = _other(series)
            if (found := self._series.get(series)) is not None:
                return found
        self._counts[name] = self._counts.get(name, 0) + 1
        self._series[series] = made = [0.0] * values
        return made


def _other(series: Series) -> Series:
    """The series of a metric that stands for all adapters and releases that have none."""
    labels = METRICS[series[0]].labels
    return (series[0], *(_OTHER if label in ("adapter", "release") else value
                         for label, value in zip(labels, series[1:], strict=True)))  # fmt: skip


def _is_known(series: Series, values: Sequence[float]) -> bool:
    metric = METRICS.get(series[0]) if series else None
    if metric is None or len(series) != 1 + len(metric.labels):
        return False
    return len(values) == (len(SECONDS) + 2 if metric.kind == "histogram" else 1)
