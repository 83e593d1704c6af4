"""What a training run found: figures for people and for ``training.json``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from postil.plugins.builtin.confidence import calibrated
from postil.registry.training.calibration import Calibration, calibrate
from postil.registry.training.dataset import Dataset, Example


@dataclass(frozen=True, slots=True)
class Judged:
    """One answer: its label, the label's probability among the allowed, and the loss against the right one."""

    example: Example
    label: str
    probability: float
    loss: float

    @property
    def right(self) -> bool:
        """The answer is the example's label."""
        return self.label == self.example.label


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class LabelMetrics(_Part):
    """How one label fares: its examples, and what was answered to them."""

    examples: int
    accuracy: float
    answered: dict[str, int]


class Metrics(_Part):
    """Accuracy over all examples that have a real label; ``loss`` is nats per answer, up to where it goes wrong."""

    examples: int
    right: int
    accuracy: float
    loss: float
    labels: dict[str, LabelMetrics]


class ConfidenceAdvice(_Part):
    """A ``minimum`` for the confidence validator and what it would have done to the validation set, calibrated."""

    minimum: float
    right_below: int
    wrong_below: int
    rejects: int
    rejects_below: int


class Mistake(_Part):
    """A validation line that was answered wrong; the surest mistakes are where data or labels want a look."""

    line: int
    message: str
    label: str
    answered: str
    probability: float


class Part(_Part):
    """The state after some steps of training."""

    epoch: float
    loss: float
    accuracy: float


class Evaluation(_Part):
    """How good an adapter is beside its base, and how far its probabilities can be believed."""

    base: str
    field: str
    labels: tuple[str, ...]
    reject: str | None
    instruction: str
    validation: dict[str, Any]
    base_metrics: Metrics
    adapter_metrics: Metrics
    calibration: Calibration
    confidence: ConfidenceAdvice
    mistakes: tuple[Mistake, ...]
    accuracy: float


class TrainReport(Evaluation):
    """Everything about a run that somebody may ask about later."""

    data: dict[str, Any]
    options: dict[str, Any]
    libraries: dict[str, str]
    parts: tuple[Part, ...]
    parameters: int
    bytes: int = 0
    seconds: float


def findings(judged: Sequence[Judged], reject: str | None) -> dict[str, Any]:
    """The parts of an evaluation that come from an adapter's answers to the validation set."""
    metrics, scale = measure(judged, reject), calibration(judged, reject)
    return {
        "adapter_metrics": metrics,
        "calibration": scale,
        "confidence": advise(judged, reject, scale.temperature),
        "mistakes": mistakes(judged, reject),
        "accuracy": metrics.accuracy,
    }


def about(dataset: Dataset) -> dict[str, Any]:
    """Which data it was, without a path of the machine."""
    return {"file": dataset.path.name, "digest": dataset.digest, "examples": len(dataset.examples)}


def measure(judged: Iterable[Judged], reject: str | None) -> Metrics:
    """Count right answers; examples of the reject label are left out."""
    rows = [one for one in judged if one.example.label != reject]
    right = sum(one.right for one in rows)
    labels = sorted({one.example.label for one in rows})
    return Metrics(
        examples=len(rows),
        right=right,
        accuracy=round(right / len(rows), 4),
        loss=round(sum(one.loss for one in rows) / len(rows), 4),
        labels={label: _label([one for one in rows if one.example.label == label]) for label in labels},
    )


def _label(rows: Sequence[Judged]) -> LabelMetrics:
    return LabelMetrics(
        examples=len(rows),
        accuracy=round(sum(one.right for one in rows) / len(rows), 4),
        answered=dict(Counter(one.label for one in rows).most_common()),
    )


def calibration(judged: Sequence[Judged], reject: str | None) -> Calibration:
    """How to read the probabilities of what would be served: an answer that is the reject label never is."""
    return calibrate([(one.probability, one.right) for one in judged if one.label != reject])


def advise(judged: Sequence[Judged], reject: str | None, temperature: float = 1.0) -> ConfidenceAdvice:
    """The largest minimum, in steps of 0.01 up to 0.5, that loses at most one right answer in a hundred.

    What was answered with the reject label is below any minimum, as it is for the validator.
    """
    sure = [(one, -1.0 if one.label == reject else calibrated(one.probability, temperature)) for one in judged]
    right = [chance for one, chance in sure if one.right and one.example.label != reject]
    wrong = [chance for one, chance in sure if not one.right and one.example.label != reject]
    rejects = [chance for one, chance in sure if one.example.label == reject]
    bearable = len(right) // 100
    minimum = max((n / 100 for n in range(51) if _below(right, n / 100) <= bearable), default=0.0)
    return ConfidenceAdvice(
        minimum=minimum,
        right_below=_below(right, minimum),
        wrong_below=_below(wrong, minimum),
        rejects=len(rejects),
        rejects_below=_below(rejects, minimum),
    )


def mistakes(judged: Iterable[Judged], reject: str | None) -> tuple[Mistake, ...]:
    """All wrong answers to real labels, the surest first."""
    wrong = [one for one in judged if not one.right and one.example.label != reject]
    return tuple(
        Mistake(
            line=one.example.line,
            message=one.example.message,
            label=one.example.label,
            answered=one.label,
            probability=round(one.probability, 4),
        )
        for one in sorted(wrong, key=lambda one: -one.probability)
    )


def _below(probabilities: Iterable[float], minimum: float) -> int:
    return sum(probability < minimum for probability in probabilities)
