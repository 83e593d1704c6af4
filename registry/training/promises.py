"""What can be promised of an adapter's answers, overall and for critical labels, and the reviews that it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from postil.plugins.statistics.shares import CONFIDENCE, wilson
from postil.registry.errors import DatasetError
from postil.registry.training.statistics.promise import ALPHA, Counts, Promise, Row, promise

if TYPE_CHECKING:
    from postil.registry.training.dataset import Dataset
    from postil.registry.training.report import Judged

_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to promise: at most ``error`` of what is answered is wrong, with ``confidence``; and of which labels too."""

    error: float = ALPHA
    confidence: float = CONFIDENCE
    critical: tuple[str, ...] = ()


class Checked(BaseModel):
    """What the minimum did on rows that had no part in choosing it; ``interval`` is that of the share of errors."""

    model_config = ConfigDict(frozen=True)

    answered: int
    wrong: int
    interval: tuple[float, float]


class Promised(BaseModel):
    """A promise: with ``minimum``, at most ``error`` of what is answered is wrong, with ``confidence``.

    Of messages whose right label is ``label``, or of all if that is None. ``minimum`` is None where the rows show it
    for no minimum; then ``needed`` answered rows with no more errors are. ``bound`` is what the share of errors is at
    most. ``review`` is the share of ``rows`` below the minimum or with the reject label, which a person gets.
    """

    model_config = ConfigDict(frozen=True)

    label: str | None
    error: float
    confidence: float
    minimum: float | None
    rows: int
    answered: int
    wrong: int
    bound: float
    needed: int
    review: float | None = None
    review_interval: tuple[float, float] | None = None
    held_out: Checked | None = None


def check_critical(wanted: Wanted, rows: Dataset) -> None:
    """Check that every critical label has rows. Raises DatasetError."""
    for label in wanted.critical:
        if label not in rows.labels:
            raise DatasetError(f"{rows.path} has no row of the critical label {label!r}; correct it, or add such rows")


def promises(
    fitted: Sequence[Judged],
    reject: str | None,
    temperature: float,
    wanted: Wanted,
    held_out: Sequence[Judged] | None = None,
) -> tuple[Promised, ...]:
    """Promise what the rows ``fitted`` show; ``held_out`` are other rows, on which it is checked."""
    labels: list[str | None] = [None, *wanted.critical]
    return tuple(_promised(label, fitted, reject, temperature, wanted, held_out) for label in labels)


def _promised(
    label: str | None,
    fitted: Sequence[Judged],
    reject: str | None,
    temperature: float,
    wanted: Wanted,
    held_out: Sequence[Judged] | None,
) -> Promised:
    rows = _rows(fitted, label, reject)
    found = promise(rows, temperature, wanted.error, 1 - wanted.confidence)
    review = None if found.minimum is None else len(rows) - found.answered
    return Promised(
        label=label,
        error=wanted.error,
        confidence=wanted.confidence,
        minimum=found.minimum,
        rows=len(rows),
        answered=found.answered,
        wrong=found.wrong,
        bound=round(found.bound, _DIGITS),
        needed=found.needed,
        review=None if review is None else round(review / len(rows), _DIGITS),
        review_interval=None if review is None else _interval(review, len(rows)),
        held_out=_checked(found, _rows(held_out or (), label, reject), temperature),
    )


def _rows(judged: Sequence[Judged], label: str | None, reject: str | None) -> list[Row]:
    """Return the answers as the validator sees them; a message of no label that is answered counts as wrong."""
    chosen = [one for one in judged if label is None or one.example.label == label]
    return [Row(None if one.label == reject else one.probability, not one.right) for one in chosen]


def _checked(found: Promise, rows: Sequence[Row], temperature: float) -> Checked | None:
    if found.minimum is None or not rows:
        return None
    answered, wrong = Counts(rows, temperature).at(found.minimum)
    return Checked(answered=answered, wrong=wrong, interval=_interval(wrong, answered))


def _interval(hits: int, count: int) -> tuple[float, float]:
    low, high = wilson(hits, count)
    return round(low, _DIGITS), round(high, _DIGITS)
