"""Does a running engine answer as training did? Compares answers to the same rows; asks nobody.

Three things go wrong between training and serving, and none of them is an error to the engine: another prompt or
template, weights that are loaded and not applied, and labels that are spelt otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, computed_field

from postil.plugins.builtin.confidence import calibrated
from postil.plugins.statistics.shares import wilson
from postil.registry.training.dataset import Example

# Probabilities nearer than this are the same: numbers of 16 bits and other kernels differ by less.
SAME = 0.001
# So near to the minimum an answer may be held back or not.
_BESIDE_MINIMUM = 0.02
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Served:
    """An answer that came through the gateway; ``label`` is None where it was held back, for ``reason``."""

    label: str | None
    probability: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Threshold:
    """What holds answers back: the policy's minimum, after the temperature, and the label for no label."""

    minimum: float | None = None
    temperature: float = 1.0
    reject: str | None = None

    def may_hold(self, label: str, probability: float) -> bool:
        """Return whether an answer may be held back; so near to the minimum nobody knows."""
        if label == self.reject:
            return True
        sure = calibrated(probability, self.temperature)
        return self.minimum is not None and sure < self.minimum + _BESIDE_MINIMUM


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Difference(_Part):
    """A row that the engine answers otherwise than training; ``served`` is None where it was held back."""

    line: int
    trained: str
    probability: float
    served: str | None
    reason: str


class Agreement(_Part):
    """How many rows are answered as in training, and those that are not; ``allowed`` is how many those may be."""

    rows: int
    same: int
    held_back: int
    allowed: int
    different: tuple[Difference, ...]


class Confidences(_Part):
    """How far the probabilities of equal labels are from those of training."""

    rows: int
    mean: float
    largest: float


class ServedAccuracy(_Part):
    """The accuracy through the gateway beside that of training, each with its 95 % interval after Wilson.

    ``interval`` begins where all that was held back is wrong, and ends where it is right: its labels are not seen.
    """

    rows: int
    right: int
    held_back: int
    accuracy: float
    interval: tuple[float, float]
    trained: float
    trained_interval: tuple[float, float]

    @property
    def agrees(self) -> bool:
        """Whether the intervals have a point in common."""
        low, high = self.interval
        return low <= self.trained_interval[1] and self.trained_interval[0] <= high


class Effect(_Part):
    """In how many rows the adapter gives another label than the base, or the same with another probability."""

    rows: int
    other_label: int
    other_probability: int

    @property
    def changed(self) -> int:
        """The rows in which the adapter changes something."""
        return self.other_label + self.other_probability


class Verification(_Part):
    """What a release's answers through the gateway show; ``answers`` is None where training kept none of these rows."""

    release: str
    file: dict[str, Any]
    rows: int
    answers: Agreement | None
    confidence: Confidences | None
    accuracy: ServedAccuracy | None
    effect: Effect

    @computed_field  # type: ignore[prop-decorator]
    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong, in sentences; empty where the release is verified."""
        return tuple(_problems(self))

    @computed_field  # type: ignore[prop-decorator]
    @property
    def verified(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def _problems(found: Verification) -> Iterator[str]:
    if found.answers is None and found.accuracy is None:
        yield (
            "its report has no figures for these rows to be held against; run `postil evaluate` on them before you"
            " publish"
        )
    if not found.effect.rows:
        yield "no answer of the adapter could be compared with the base's, because all were held back"
    elif not found.effect.changed:
        yield (
            f"the adapter is not applied: in all {found.effect.rows} rows it answers as the base does, with the same"
            " probability"
        )
    if found.answers is not None and len(found.answers.different) > found.answers.allowed:
        yield (
            f"the engine does not answer as training did: {len(found.answers.different)} of {found.answers.rows} rows"
            f" differ, and {found.answers.allowed} may"
        )
    if found.accuracy is not None and not found.accuracy.agrees:
        yield (
            f"the engine is not as good as training was: {found.accuracy.accuracy:.1%} of {found.accuracy.rows} rows"
            f" are right, and {found.accuracy.trained:.1%} were in training"
        )


def agreement(
    examples: Sequence[Example],
    trained: Sequence[tuple[str, float]],
    served: Sequence[Served],
    threshold: Threshold,
    most_different: float,
) -> Agreement:
    """Hold answers against training's, row by row. ``most_different`` is the share of rows that may differ."""
    different = tuple(
        Difference(line=row.line, trained=label, probability=chance, served=one.label, reason=one.reason)
        for row, (label, chance), one in zip(examples, trained, served, strict=True)
        if not _agrees(label, chance, one, threshold)
    )
    return Agreement(
        rows=len(served),
        same=len(served) - len(different),
        held_back=sum(one.label is None for one in served),
        allowed=int(most_different * len(served)),
        different=different,
    )


def _agrees(label: str, probability: float, served: Served, threshold: Threshold) -> bool:
    return threshold.may_hold(label, probability) if served.label is None else served.label == label


def confidences(trained: Sequence[tuple[str, float]], served: Sequence[Served]) -> Confidences | None:
    """Compare the probabilities of equal labels; None where there are none to compare."""
    apart = [
        abs(chance - one.probability)
        for (label, chance), one in zip(trained, served, strict=True)
        if one.label == label and one.probability is not None
    ]
    if not apart:
        return None
    return Confidences(
        rows=len(apart), mean=round(sum(apart) / len(apart), _DIGITS), largest=round(max(apart), _DIGITS)
    )


def accuracy(
    examples: Sequence[Example], served: Sequence[Served], reject: str | None, report: Mapping[str, Any]
) -> ServedAccuracy | None:
    """Compare the accuracy with that of a report; None where that has none, or all rows have the reject label."""
    known = _known(report)
    rows = [(row, one) for row, one in zip(examples, served, strict=True) if row.label != reject]
    if known is None or not rows:
        return None
    right = sum(row.label == one.label for row, one in rows)
    held_back = sum(one.label is None for _, one in rows)
    return ServedAccuracy(
        rows=len(rows),
        right=right,
        held_back=held_back,
        accuracy=_rounded(right / len(rows)),
        interval=(_rounded(wilson(right, len(rows)).low), _rounded(wilson(right + held_back, len(rows)).high)),
        trained=_rounded(known[0] / known[1]),
        trained_interval=(_rounded(wilson(*known).low), _rounded(wilson(*known).high)),
    )


def _known(report: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return how many rows were right in training, of how many; a report may be anybody's JSON."""
    metrics = report.get("adapter_metrics")
    if not isinstance(metrics, Mapping):
        return None
    right, rows = metrics.get("right"), metrics.get("examples")
    if type(right) is not int or type(rows) is not int or not 0 <= right <= rows or not rows:
        return None
    return right, rows


def _rounded(share: float) -> float:
    return round(share, _DIGITS)


def effect(adapter: Sequence[Served], base: Sequence[Served]) -> Effect:
    """Count the rows that the adapter answers otherwise than the base; those that were held back show nothing."""
    pairs = [(one, other) for one, other in zip(adapter, base, strict=True) if one.label is not None]
    same = [(one, other) for one, other in pairs if one.label == other.label]
    return Effect(
        rows=len(pairs),
        other_label=len(pairs) - len(same),
        other_probability=sum(_apart(one.probability, other.probability) for one, other in same),
    )


def _apart(one: float | None, other: float | None) -> bool:
    return one is not None and other is not None and abs(one - other) > SAME
