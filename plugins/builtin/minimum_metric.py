"""``minimum_metric``: a release is made live only if its training measured it good enough.

The figures are those of the artifact's ``training.json``, which whoever published it wrote: the gate keeps mistakes
out, and no liars.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from postil.plugins.contract import Config, Gate
from postil.plugins.errors import ConfigError
from postil.plugins.hookspecs import hookimpl
from postil.plugins.types import Candidate, Verdict


class MinimumMetricConfig(Config):
    """``metric``: its keys in ``training.json``, with dots between them. ``minimum`` is the least that it may be.

    ``tolerance``: how much worse than the live release's it may be; where that one has no such figure, any will do.
    """

    metric: Annotated[str, Field(min_length=1, max_length=200)] = "adapter_metrics.accuracy"
    minimum: Annotated[float, Field(allow_inf_nan=False)] | None = None
    tolerance: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None


class MinimumMetric(Gate):
    """Passes a figure, of which more is better, that reaches the minimum and does not fall behind the live one's."""

    name = "minimum_metric"
    Config = MinimumMetricConfig

    def __init__(self, config: MinimumMetricConfig) -> None:
        super().__init__(config)
        if config.minimum is None and config.tolerance is None:
            raise ConfigError("minimum_metric: it would let everything through; give a minimum or a tolerance")

    def check(self, candidate: Candidate, live: Candidate | None) -> Verdict:
        """Fail with both figures, or where there is none."""
        name, minimum, tolerance = self.config.metric, self.config.minimum, self.config.tolerance
        found = _figure(candidate.metrics, name)
        if found is None:
            return Verdict.failed(f"its training reports no {name}; publish it with a training.json that does")
        if minimum is not None and found < minimum:
            return Verdict.failed(f"{name} is {found:g}, and {minimum:g} is the least")
        before = None if live is None else _figure(live.metrics, name)
        if tolerance is not None and live is not None and before is not None and before - found > tolerance + 1e-12:
            return Verdict.failed(
                f"{name} is {found:g}, and that of {live.release}, which is live, is {before:g}: more than"
                f" {tolerance:g} worse"
            )
        return Verdict.passed()


def _figure(metrics: Mapping[str, Any], name: str) -> float | None:
    """The number at a dotted path; a path that leads to something else leads to None."""
    value: Any = metrics
    for key in name.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    sound = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if sound else None


@hookimpl
def postil_gates() -> Sequence[type[Gate]]:
    """Offer ``minimum_metric``."""
    return [MinimumMetric]
