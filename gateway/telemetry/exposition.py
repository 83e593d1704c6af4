"""Writes series in Prometheus' text format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from postil.gateway.telemetry.metric_table import METRICS, SECONDS, Metric
from postil.gateway.telemetry.sums import Series

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
# Of vLLM's text: its own metrics. Which adapters run, it tells by their inside names and only while they do; the
# gateway's own series say it better.
_ENGINES_OWN = re.compile(rb"^(?:# (?:HELP|TYPE) )?vllm:(?!lora_requests_info)[^\n\r]*\n", re.MULTILINE)


def written(series: Mapping[Series, Sequence[float]]) -> bytes:
    """The series as text, in the order of the table."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(series))
    return generate_latest(registry)


def engines_own(text: bytes) -> bytes:
    """What is passed on of the engine's own text, which may be anything."""
    return b"".join(_ENGINES_OWN.findall(text))


class _Once(Collector):
    """Hands out the families of one moment."""

    def __init__(self, series: Mapping[Series, Sequence[float]]) -> None:
        self._series = series

    def collect(self) -> Iterator[Family]:
        """Return a family for each metric that has series."""
        named: dict[str, list[Series]] = {}
        for series in self._series:
            named.setdefault(series[0], []).append(series)
        for name, metric in METRICS.items():
            if name in named:
                yield _family(metric, {series: self._series[series] for series in named[name]})


def _family(metric: Metric, found: Mapping[Series, Sequence[float]]) -> Family:
    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for series, values in found.items():
            counts = zip([*map(str, SECONDS), "+Inf"], accumulate(values[:-1]), strict=True)
            histogram.add_metric(series[1:], list(counts), values[-1])
        return histogram
    family = (CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily)(
        metric.name, metric.help, labels=metric.labels
    )
    for series, values in found.items():
        family.add_metric(series[1:], values[0])
    return family
