from __future__ import annotations

from typing import Any

import pytest

from postil.plugins import Candidate, ConfigError, ReleaseRef
from postil.plugins.builtin.minimum_metric import MinimumMetric


def release(number: int, **metrics: Any) -> Candidate:
    return Candidate(ReleaseRef("healthcare", "triage", number), {}, {"adapter_metrics": metrics})


def reason(candidate: Candidate, live: Candidate | None = None, **config: Any) -> str:
    return str(MinimumMetric.from_mapping(config).check(candidate, live).reason)


@pytest.mark.parametrize(
    ("accuracy", "said"),
    [(0.9, ""), (1, ""), (0.89, "adapter_metrics.accuracy is 0.89, and 0.9 is the least")],
)
def test_the_minimum_itself_passes(accuracy: float, said: str) -> None:
    assert reason(release(2, accuracy=accuracy), minimum=0.9) == said


@pytest.mark.parametrize(
    ("accuracy", "said"),
    [
        (0.96, ""),
        (0.93, ""),
        (
            0.92,
            "adapter_metrics.accuracy is 0.92, and that of healthcare/triage@1, which is live, is 0.95: more than 0.02"
            " worse",
        ),
    ],
)
def test_it_may_be_worse_than_what_is_live_by_the_tolerance(accuracy: float, said: str) -> None:
    assert reason(release(2, accuracy=accuracy), release(1, accuracy=0.95), tolerance=0.02) == said


def test_the_first_release_and_one_after_a_release_without_figures_need_only_the_minimum() -> None:
    for live in (None, release(1), release(1, accuracy="good")):
        assert reason(release(2, accuracy=0.9), live, minimum=0.9, tolerance=0.0) == ""


@pytest.mark.parametrize(
    "metrics",
    [{}, {"accuracy": None}, {"accuracy": "0.99"}, {"accuracy": True}, {"accuracy": float("nan")}, {"loss": 1}],
)
def test_a_release_without_the_figure_is_not_let_through(metrics: dict[str, Any]) -> None:
    said = "its training reports no adapter_metrics.accuracy; publish it with a training.json that does"
    assert reason(release(2, **metrics), minimum=0.0) == said
    assert reason(Candidate(ReleaseRef("a", "b", 1), {}, {}), tolerance=1) == said


def test_another_figure_can_be_named() -> None:
    candidate = release(2, labels={"symptoms": {"accuracy": 0.5}})
    assert reason(candidate, metric="adapter_metrics.labels.symptoms.accuracy", minimum=0.5) == ""
    assert reason(candidate, metric="adapter_metrics.labels", minimum=0.5).startswith("its training reports no")


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({}, "minimum_metric: it would let everything through; give a minimum or a tolerance"),
        ({"tolerance": -1}, "minimum_metric: tolerance: input should be greater than or equal to 0"),
        ({"minimum": "inf"}, "minimum_metric: minimum: input should be a finite number"),
        ({"minimum": 0.5, "metric": ""}, "minimum_metric: metric: string should have at least 1 character"),
        ({"minimum": 0.5, "max": 1}, "minimum_metric: there is no option max; leave it out"),
    ],
)
def test_a_wrong_configuration_is_refused_in_one_sentence(config: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        MinimumMetric.from_mapping(config)
    assert str(caught.value) == sentence
