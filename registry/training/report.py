"""The report of a training run: figures for people and for ``training.json``."""

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
    """One answer: its label, that label's probability among the allowed ones, and the loss of the right label."""

    example: Example
    label: str
    probability: float
    loss: float

    @property
    def right(self) -> bool:
        """Whether the answer is the example's label."""
        return self.label == self.example.label


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class LabelMetrics(_Part):
    """Results of one label: its examples, and how they were answered."""

    examples: int
    accuracy: float
    answered: dict[str, int]


class Metrics(_Part):
    """Accuracy over all examples with a real label; ``loss`` is in nats per answer, up to the first wrong token."""

    examples: int
    right: int
    accuracy: float
    loss: float
    labels: dict[str, LabelMetrics]


class ConfidenceAdvice(_Part):
    """A suggested ``minimum`` for the confidence validator, and its effect on the validation set, calibrated."""

    minimum: float
    right_below: int
    wrong_below: int
    rejects: int
    rejects_below: int


class Mistake(_Part):
    """A validation line with a wrong answer; the most confident mistakes may be errors in data or labels."""

    line: int
    message: str
    label: str
    answered: str
    probability: float


class Part(_Part):
    """Validation results after some steps of training."""

    epoch: float
    loss: float
    accuracy: float


class Evaluation(_Part):
    """The figures of an adapter and of its base, and the adapter's calibration."""

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
    """The complete report of a training run."""

    data: dict[str, Any]
    options: dict[str, Any]
    libraries: dict[str, str]
    parts: tuple[Part, ...]
    parameters: int
    bytes: int = 0
    seconds: float


def findings(judged: Sequence[Judged], reject: str | None) -> dict[str, Any]:
    """Return the parts of an evaluation that come from the adapter's answers to the validation set."""
    metrics, scale = measure(judged, reject), calibration(judged, reject)
    return {
        "adapter_metrics": metrics,
        "calibration": scale,
        "confidence": advise(judged, reject, scale.temperature),
        "mistakes": mistakes(judged, reject),
        "accuracy": metrics.accuracy,
    }


def about(dataset: Dataset) -> dict[str, Any]:
    """Return a description of the data without local paths."""
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
    """Calibrate the probabilities of answers that would be served; reject answers never are."""
    return calibrate([(one.probability, one.right) for one in judged if one.label != reject])


def advise(judged: Sequence[Judged], reject: str | None, temperature: float = 1.0) -> ConfidenceAdvice:
    """Return the largest minimum, in steps of 0.01 up to 0.5, that rejects at most 1 % of the right answers.

    An answer with the reject label counts as below any minimum, as in the validator.
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
    """Return all wrong answers to real labels, most confident first."""
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
