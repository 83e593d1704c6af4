"""Compares two adapters on the same rows, and says whether the second may take the first one's place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from postil.plugins.statistics.paired import NOT_WORSE, Pairs, Verdict, rows_needed, verdict
from postil.plugins.statistics.shares import CONFIDENCE
from postil.registry.base_model.model import BaseModel as Base
from postil.registry.errors import DatasetError
from postil.registry.preflight.preflight import preflight
from postil.registry.training.answering import Answerer, Onlooker
from postil.registry.training.comparison import Comparison, compare
from postil.registry.training.dataset import Dataset, load
from postil.registry.training.evaluate import (
    LARGEST_RANK,
    allowed_labels,
    check_unseen,
    known_labels,
    known_reject,
    known_report,
)
from postil.registry.training.options import Device
from postil.registry.training.report import Judged, Metrics, about, measure
from postil.registry.training.train import check_libraries

MARGIN = 0.01


@dataclass(frozen=True, slots=True)
class Margins:
    """How much lower the second one's share of right answers may be, overall and for labels of one's own choice."""

    overall: float = MARGIN
    labels: Mapping[str, float] = field(default_factory=dict)
    confidence: float = CONFIDENCE


class MarginVerdict(BaseModel):
    """Whether the second adapter is not worse by more than ``margin``, overall or for a ``label``.

    "not shown" says that it may be either; ``needed`` rows show it if both answer all of them equally well.
    """

    model_config = ConfigDict(frozen=True)

    label: str | None
    margin: float
    rows: int
    least: float
    verdict: Verdict
    needed: int


class HeldOutUses(BaseModel):
    """How many adapters of a domain were measured with a file; above ``limit`` it is worn out."""

    model_config = ConfigDict(frozen=True)

    uses: int
    limit: int


class AdapterComparison(BaseModel):
    """Two adapters' answers to the rows of ``data``: figures of each, and where only one is right.

    ``held_out_uses`` says how often these rows were used before; None where nobody counts.
    """

    model_config = ConfigDict(frozen=True)

    data: dict[str, Any]
    base: str
    before: str
    after: str
    before_metrics: Metrics
    after_metrics: Metrics
    overall: Comparison
    labels: dict[str, Comparison]
    verdicts: tuple[MarginVerdict, ...]
    not_worse: bool
    held_out_uses: HeldOutUses | None = None


def compare_adapters(
    adapters: Mapping[str, Path],
    data: Path,
    base: Base,
    margins: Margins,
    onlooker: Onlooker,
    *,
    device: Device = "auto",
    window: int | None = None,
) -> AdapterComparison:
    """Answer every row of ``data`` with both of ``adapters`` (folders by the names to show) on ``base``.

    Each answers among the labels that its own ``training.json`` has. Raises DatasetError, PreflightError,
    BaseModelError or TuneExtraMissingError.
    """
    rows = load(data)
    known = [known_report(folder) for folder in adapters.values()]
    for name, report in zip(adapters, known, strict=True):
        check_unseen(report, name, [rows])
    reject = _one_reject(known)
    _check_labels(rows, margins, reject)
    for folder in adapters.values():
        preflight(folder, base, LARGEST_RANK)
    check_libraries()
    allowed = [allowed_labels(known_labels(report, [rows], reject), reject) for report in known]
    answerer = Answerer.load(base, [rows], {*allowed[0], *allowed[1]}, device, window, onlooker.answered)
    onlooker.started(2 * len(rows.examples))
    before, after = (
        answerer.adapter(folder, rows.examples, labels)
        for folder, labels in zip(adapters.values(), allowed, strict=True)
    )
    return compared_answers((*adapters,), rows, base.id, before, after, reject, margins)


def compared_answers(
    names: Sequence[str],
    rows: Dataset,
    base: str,
    before: Sequence[Judged],
    after: Sequence[Judged],
    reject: str | None,
    margins: Margins,
) -> AdapterComparison:
    """Return what two sets of answers to the same rows say."""
    labels = {label: _of(label, before, after, margins.confidence) for label in rows.labels if label != reject}
    overall = compare(before, after, reject, margins.confidence)
    verdicts = (
        _judged(None, overall, margins.overall),
        *(_judged(label, labels[label], margin) for label, margin in margins.labels.items()),
    )
    return AdapterComparison(
        data=about(rows),
        base=base,
        before=names[0],
        after=names[1],
        before_metrics=measure(before, reject),
        after_metrics=measure(after, reject),
        overall=overall,
        labels=labels,
        verdicts=verdicts,
        not_worse=all(one.verdict == NOT_WORSE for one in verdicts),
    )


def _one_reject(known: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the label for messages that fit no other. Raises DatasetError where the two have different ones."""
    found = {known_reject(report) for report in known} - {None}
    if len(found) > 1:
        first, second = sorted(filter(None, found))
        raise DatasetError(
            f"one adapter answers {first!r} where no label fits and the other {second!r}: their answers to the same"
            " rows do not compare; train them with one reject label"
        )
    return found.pop() if found else None


def _check_labels(rows: Dataset, margins: Margins, reject: str | None) -> None:
    for label in margins.labels:
        if label not in rows.labels or label == reject:
            raise DatasetError(f"{rows.path} has no row of the label {label!r}; correct --label, or add such rows")


def _of(label: str, before: Sequence[Judged], after: Sequence[Judged], confidence: float) -> Comparison:
    pairs = [(a, b) for a, b in zip(before, after, strict=True) if a.example.label == label]
    return compare([a for a, _ in pairs], [b for _, b in pairs], None, confidence)


def _judged(label: str | None, found: Comparison, margin: float) -> MarginVerdict:
    pairs = Pairs(found.rows, found.only_before, found.only_after)
    return MarginVerdict(
        label=label,
        margin=margin,
        rows=found.rows,
        least=found.least,
        verdict=verdict(pairs, margin, found.confidence),
        needed=rows_needed(margin, found.confidence),
    )
