"""Evaluates an existing adapter, trained here or elsewhere, and stores the figures with it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from postil.registry.base_model.model import BaseModel
from postil.registry.defaults import REPORT
from postil.registry.errors import DatasetError
from postil.registry.preflight.preflight import preflight
from postil.registry.training.answering import Answerer, Onlooker
from postil.registry.training.baselines import linear, with_shots
from postil.registry.training.dataset import Dataset, load
from postil.registry.training.errors import OutFolderError
from postil.registry.training.options import Device
from postil.registry.training.predictions import predicted
from postil.registry.training.promises import Wanted, check_critical
from postil.registry.training.report import Evaluation, Judged, about, against_linear, findings, measure
from postil.registry.training.splits import check_splits
from postil.registry.training.stress import StressFiles, StressSet, stress_sets, stressed
from postil.registry.training.train import check_libraries

# The largest rank that vLLM supports.
LARGEST_RANK = 512


@dataclass(frozen=True, slots=True)
class Files:
    """The rows of an evaluation: those of the figures, and others if they are at hand.

    ``calibration`` fits temperature and minimum, which the figures' rows do without it. ``training`` trains the linear
    model and gives the examples that the base is shown. ``stress`` is what else the adapter answers.
    """

    data: Path
    calibration: Path | None = None
    training: Path | None = None
    stress: StressFiles = field(default_factory=StressFiles)


@dataclass(frozen=True, slots=True)
class _Rows:
    figures: Dataset
    calibration: Dataset | None
    training: Dataset | None

    @property
    def answered(self) -> list[Dataset]:
        """Return the files that the adapter answers."""
        return [self.figures] if self.calibration is None else [self.figures, self.calibration]

    @property
    def answers(self) -> int:
        """Return how many answers an evaluation takes."""
        rows, fitted = len(self.figures.examples), self.answered[1:]
        return (2 if self.training is None else 3) * rows + sum(len(one.examples) for one in fitted)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked of whom: the adapter's report, its base, the rows, and the labels that it may answer."""

    known: Mapping[str, Any]
    base: BaseModel
    rows: _Rows
    labels: tuple[str, ...]
    reject: str | None
    stress: Sequence[StressSet]

    @property
    def answered(self) -> list[Dataset]:
        """Return all that the adapter answers: the files, and the stress sets after them."""
        return [*self.rows.answered, *(one.rows for one in self.stress)]

    @property
    def answers(self) -> int:
        """Return how many answers an evaluation takes."""
        return self.rows.answers + sum(len(one.rows.examples) for one in self.stress)


@dataclass(frozen=True, slots=True)
class _Answers:
    """What is measured ``beside``, and the adapter's answers to figures, calibration and stress sets."""

    beside: Mapping[str, Any]
    judged: Sequence[Judged]
    fitted: Sequence[Judged] | None
    stressed: Sequence[Sequence[Judged]]


def evaluate(
    adapter: Path,
    files: Files,
    base: BaseModel,
    *,
    reject: str | None = None,
    wanted: Wanted | None = None,
    device: Device = "auto",
    onlooker: Onlooker | None = None,
    window: int | None = None,
) -> Evaluation:
    """Answer every example of ``files.data`` with ``adapter`` and its base; store figures in ``training.json``.

    Other content of that file stays. ``reject`` is the label for messages that fit no other (default: the one from
    training), ``wanted`` what to promise, ``window`` the engine's context in tokens. Raises DatasetError,
    PreflightError, BaseModelError, OutFolderError or TuneExtraMissingError.
    """
    wanted = wanted or Wanted()
    asked = _checked(adapter, files, base, reject, wanted)
    found = _found(asked, _answers(adapter, asked, device, onlooker, window), files.stress, wanted)
    _write(adapter / REPORT, {**asked.known, **found.model_dump(mode="json")})
    return found


def _checked(adapter: Path, files: Files, base: BaseModel, reject: str | None, wanted: Wanted) -> _Asked:
    """Read the files, and refuse, before the long work, what cannot be evaluated."""
    known, rows = known_report(adapter), _load(files)
    check_unseen(known, adapter, rows.answered)
    check_critical(wanted, rows.calibration or rows.figures)
    preflight(adapter, base, LARGEST_RANK)
    _check_writable(adapter)
    check_libraries()
    reject = reject or known_reject(known)
    stress = stress_sets(files.stress, rows.figures, reject)
    return _Asked(known, base, rows, known_labels(known, rows.answered, reject), reject, stress)


def _found(asked: _Asked, answers: _Answers, stress: StressFiles, wanted: Wanted) -> Evaluation:
    rows, reject = asked.rows, asked.reject
    figures = findings(answers.judged, reject, answers.fitted, wanted)
    temperature, minimum = figures["calibration"].temperature, figures["confidence"].minimum
    return Evaluation(
        base=asked.base.id,
        field=rows.figures.field,
        labels=asked.labels,
        reject=reject,
        instruction=rows.figures.examples[0].instruction,
        validation=about(rows.figures),
        selection=_selection(asked.known),
        calibrated_on=about(rows.calibration or rows.figures),
        predictions=tuple(
            predicted(about(file), judged)
            for file, judged in ((rows.figures, answers.judged), (rows.calibration, answers.fitted))
            if file is not None and judged is not None
        ),
        stress=stressed(stress, asked.stress, answers.stressed, reject, temperature, minimum),
        linear=_linear(rows, answers.judged, reject),
        **answers.beside,
        **figures,
    )


def _load(files: Files) -> _Rows:
    """Read the files, no two of which may share a message. Raises DatasetError or TuneExtraMissingError."""
    figures = load(files.data)
    calibration = None if files.calibration is None else load(files.calibration)
    training = None if files.training is None else load(files.training)
    if training is not None:
        check_libraries(["sklearn"])
    rows = _Rows(figures, calibration, training)
    check_splits(training, rows.answered)
    return rows


def known_report(adapter: Path) -> Mapping[str, Any]:
    """Read the report in an adapter's folder; empty if there is no valid one."""
    try:
        found = json.loads((adapter / REPORT).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def check_unseen(known: Mapping[str, Any], adapter: Path | str, datasets: Sequence[Dataset]) -> None:
    """Refuse files that the adapter, by its report, was trained on. Raises DatasetError."""
    data = known.get("data")
    learned = data.get("digest") if isinstance(data, Mapping) else None
    for dataset in datasets:
        if dataset.digest == learned:
            raise DatasetError(
                f"{dataset.path} is the file that {adapter} was trained on, so figures on it say nothing about new"
                " messages; name a file of messages that were not used in training"
            )


def known_reject(known: Mapping[str, Any]) -> str | None:
    """Return the label for messages that fit no other, as a report has it."""
    options = known.get("options")
    found = known.get("reject") or (options.get("reject") if isinstance(options, Mapping) else None)
    return found if isinstance(found, str) else None


def known_labels(known: Mapping[str, Any], datasets: Sequence[Dataset], reject: str | None) -> tuple[str, ...]:
    """Return the labels that the adapter was trained with, even those that the data lacks, without ``reject``.

    Those of the data, where the report names none: other methods than classify learn no labels. Raises DatasetError.
    """
    shown = {label: dataset for dataset in reversed(datasets) for label in dataset.labels if label != reject}
    trained = known.get("labels")
    if not trained or not isinstance(trained, list) or not all(isinstance(label, str) for label in trained):
        return tuple(sorted(shown))
    if unknown := set(shown) - set(trained):
        first = min(unknown)
        raise DatasetError(
            f"{shown[first].path} has the label {first!r}, for which the adapter was not trained"
            f" ({', '.join(trained)}); take it out, or name it with --reject"
        )
    return tuple(sorted({*trained} - {reject}))


def _selection(known: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the file that chose the epoch: `postil train` of before chose on its validation file."""
    found = known.get("selection") or (known.get("validation") if known.get("parts") else None)
    return found if isinstance(found, dict) and found.keys() >= {"file", "digest"} else None


def _answers(adapter: Path, asked: _Asked, device: Device, onlooker: Onlooker | None, window: int | None) -> _Answers:
    rows, labels, reject = asked.rows, asked.labels, asked.reject
    allowed = allowed_labels(labels, reject)
    tell = onlooker.answered if onlooker else lambda more: None
    answerer = Answerer.load(asked.base, asked.answered, allowed, device, window, tell)
    if onlooker:
        onlooker.started(asked.answers)
    figures = rows.figures.examples
    beside: dict[str, Any] = {"base_metrics": measure(answerer.base(figures, labels), reject)}
    if rows.training is not None:
        shown = with_shots(rows.training, figures, labels)
        judged = answerer.base_with_shots(rows.figures, shown, labels)
        beside["few_shot_metrics"] = measure(judged, reject) if judged else None
    every = answerer.adapter(adapter, [example for one in asked.answered for example in one.examples], allowed)
    beside["forgetting"] = answerer.forgetting(adapter, rows.figures.field, allowed)
    left = iter(every)
    parts = [list(islice(left, len(one.examples))) for one in asked.answered]
    fitted = None if rows.calibration is None else parts[1]
    return _Answers(beside, parts[0], fitted, parts[len(rows.answered) :])


def allowed_labels(labels: Collection[str], reject: str | None) -> list[str]:
    """Return what an adapter may answer; the base does not know the reject label."""
    return [*labels] if reject is None else [*labels, reject]


def _linear(rows: _Rows, judged: Sequence[Judged], reject: str | None) -> Any:
    if rows.training is None:
        return None
    return against_linear(rows.training, linear(rows.training, rows.figures.examples), judged, reject)


def _check_writable(adapter: Path) -> None:
    """Check, before the long work, that the figures can be stored. Raises OutFolderError."""
    try:
        tempfile.TemporaryFile(dir=adapter).close()
    except OSError as error:
        raise OutFolderError(
            f"{adapter} cannot be written to ({error.strerror}), and its {REPORT} gets the figures; copy it first"
        ) from error


def _write(path: Path, report: Mapping[str, Any]) -> None:
    """Write the report in one step, so that an old one is never left damaged."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(beside, path)
