"""The report of a training run: figures for people and for ``training.json``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, computed_field

from postil.plugins.builtin.confidence import calibrated
from postil.plugins.statistics.shares import wilson
from postil.registry.training.calibration import Calibration, calibrate
from postil.registry.training.comparison import Comparison, compare
from postil.registry.training.dataset import Dataset, Example
from postil.registry.training.forgetting import Forgetting
from postil.registry.training.mistakes import Mistake, mistakes
from postil.registry.training.origins import OriginMetrics, by_origin
from postil.registry.training.predictions import Predictions
from postil.registry.training.promises import Promised, Wanted, promises
from postil.registry.training.statistics.labels import f1_by_label, macro_f1
from postil.registry.training.stress import Stress


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
    """Results of one label: its examples, and how they were answered.

    ``accuracy`` is the label's recall, ``interval`` its 95 % interval after Wilson. Reports of before have neither that
    nor ``f1``.
    """

    examples: int
    accuracy: float
    answered: dict[str, int]
    interval: tuple[float, float] | None = None
    f1: float | None = None


class Metrics(_Part):
    """Accuracy over all examples with a real label; ``loss`` is in nats per answer, up to the first wrong token.

    ``interval`` is the accuracy's 95 % interval after Wilson, ``macro_f1`` the mean of the labels' F1. Reports of
    before have neither.
    """

    examples: int
    right: int
    accuracy: float
    loss: float
    labels: dict[str, LabelMetrics]
    interval: tuple[float, float] | None = None
    macro_f1: float | None = None


class ConfidenceAdvice(_Part):
    """A suggested ``minimum`` for the confidence validator, and its effect on the validation set, calibrated."""

    minimum: float
    right_below: int
    wrong_below: int
    rejects: int
    rejects_below: int


class Part(_Part):
    """Validation results after some steps of training."""

    epoch: float
    loss: float
    accuracy: float


class LinearBaseline(_Part):
    """A linear model that was trained on the same rows: its figures, and how the adapter compares with it.

    ``comparison`` has the linear model as the one before. ``confidence`` is what its own probabilities would hold back.
    """

    training: dict[str, Any]
    metrics: Metrics
    comparison: Comparison
    confidence: ConfidenceAdvice


class Evaluation(_Part):
    """An adapter's figures on the validation set, next to those of its base without the adapter.

    ``validation`` is the file of the figures, ``selection`` the one that chose the epoch, and ``calibrated_on`` the one
    that fitted temperature and threshold; the last two are None where nobody knows. ``few_shot_metrics`` are the base's
    with examples shown. ``outcomes`` says of each label's rows, in the file's order, which were right (1): with them
    two releases are compared row by row. ``predictions`` are the answers themselves, with which a running engine is
    compared. ``origins`` has the figures by where rows come from, where they say so.
    """

    base: str
    field: str
    labels: tuple[str, ...]
    reject: str | None
    instruction: str
    validation: dict[str, Any]
    selection: dict[str, Any] | None = None
    calibrated_on: dict[str, Any] | None = None
    base_metrics: Metrics
    few_shot_metrics: Metrics | None = None
    linear: LinearBaseline | None = None
    adapter_metrics: Metrics
    calibration: Calibration
    confidence: ConfidenceAdvice
    promises: tuple[Promised, ...] = ()
    outcomes: dict[str, str] = {}
    predictions: tuple[Predictions, ...] = ()
    forgetting: Forgetting | None = None
    stress: Stress | None = None
    origins: dict[str, OriginMetrics] = {}
    mistakes: tuple[Mistake, ...]
    accuracy: float

    @computed_field  # type: ignore[prop-decorator]
    @property
    def notes(self) -> tuple[str, ...]:
        """What was chosen on the rows of the figures, which flatters them."""
        return tuple(_notes(self))


def _notes(report: Evaluation) -> Iterator[str]:
    file, digest = report.validation["file"], report.validation["digest"]
    if report.selection and report.selection["digest"] == digest:
        yield f"the epoch was chosen on {file}, the file of the figures: they are better than on new messages"
    fitted = report.calibrated_on
    if fitted and fitted["digest"] == digest:
        yield f"temperature and minimum were fitted on {file}, the file of the figures, too"
    if fitted and report.selection and report.selection["digest"] == fitted["digest"]:
        yield f"the epoch was chosen on {fitted['file']}: a promise takes rows that chose nothing (--calibration)"


class TrainReport(Evaluation):
    """The complete report of a training run."""

    data: dict[str, Any]
    options: dict[str, Any]
    libraries: dict[str, str]
    parts: tuple[Part, ...]
    parameters: int
    bytes: int = 0
    seconds: float


def findings(
    judged: Sequence[Judged],
    reject: str | None,
    fitted: Sequence[Judged] | None = None,
    wanted: Wanted | None = None,
) -> dict[str, Any]:
    """Return the parts of an evaluation that come from the adapter's answers.

    ``judged`` gives the figures. ``fitted`` are answers to other rows, which give temperature, minimum and promises;
    without them ``judged`` does.
    """
    metrics, rows = measure(judged, reject), judged if fitted is None else fitted
    scale = calibration(rows, reject)
    held_out = None if fitted is None else judged
    return {
        "adapter_metrics": metrics,
        "calibration": scale,
        "confidence": advise(rows, reject, scale.temperature),
        "promises": promises(rows, reject, scale.temperature, wanted or Wanted(), held_out),
        "outcomes": outcomes(judged, reject),
        "origins": by_origin(judged, reject),
        "mistakes": mistakes(judged, reject),
        "accuracy": metrics.accuracy,
    }


def against_linear(
    training: Dataset, theirs: Sequence[Judged], ours: Sequence[Judged], reject: str | None
) -> LinearBaseline:
    """Return a linear model's figures beside an adapter's, from their answers to the same rows."""
    return LinearBaseline(
        training=about(training),
        metrics=measure(theirs, reject),
        comparison=compare(theirs, ours, reject),
        confidence=advise(theirs, reject),
    )


def outcomes(judged: Sequence[Judged], reject: str | None) -> dict[str, str]:
    """Return a text of 1 (right) and 0 for each real label's rows, in their order."""
    found: dict[str, str] = {}
    for one in judged:
        if one.example.label != reject:
            found[one.example.label] = found.get(one.example.label, "") + str(int(one.right))
    return dict(sorted(found.items()))


def about(dataset: Dataset) -> dict[str, Any]:
    """Return a description of the data without local paths."""
    return {"file": dataset.path.name, "digest": dataset.digest, "examples": len(dataset.examples)}


def measure(judged: Iterable[Judged], reject: str | None) -> Metrics:
    """Count right answers; examples of the reject label are left out."""
    rows = [one for one in judged if one.example.label != reject]
    right = sum(one.right for one in rows)
    answered = [(one.example.label, one.label) for one in rows]
    f1 = f1_by_label(answered)
    return Metrics(
        examples=len(rows),
        right=right,
        accuracy=round(right / len(rows), 4),
        loss=round(sum(one.loss for one in rows) / len(rows), 4),
        labels={name: _label([one for one in rows if one.example.label == name], score) for name, score in f1.items()},
        interval=_interval(right, len(rows)),
        macro_f1=round(macro_f1(answered), 4),
    )


def _label(rows: Sequence[Judged], f1: float) -> LabelMetrics:
    right = sum(one.right for one in rows)
    return LabelMetrics(
        examples=len(rows),
        accuracy=round(right / len(rows), 4),
        answered=dict(Counter(one.label for one in rows).most_common()),
        interval=_interval(right, len(rows)),
        f1=round(f1, 4),
    )


def _interval(hits: int, count: int) -> tuple[float, float]:
    low, high = wilson(hits, count)
    return round(low, 4), round(high, 4)


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


def _below(probabilities: Iterable[float], minimum: float) -> int:
    return sum(probability < minimum for probability in probabilities)
