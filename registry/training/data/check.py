"""Checks files of training data: ``check(path, validation)`` returns a report and changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from postil.registry.errors import DatasetError
from postil.registry.training.data.checks import duplicates, labels, lengths, personal, suspects
from postil.registry.training.data.checks.subject import Subject, subject
from postil.registry.training.data.report import DataFinding, DataReport, FileSummary
from postil.registry.training.data.similar import THRESHOLD


def check(
    path: Path,
    validation: Sequence[Path] = (),
    *,
    base: Path | None = None,
    window: int | None = None,
    threshold: float = THRESHOLD,
) -> DataReport:
    """Return what is to be said of a training file, and of others that are not to be learned from.

    Without a ``base`` in a folder no tokens are counted; ``window`` is the engine's, else the base's own. Raises
    DatasetError where a file cannot be read at all, TuneExtraMissingError, BaseModelError.
    """
    training, *others = [subject(one) for one in _distinct([path, *validation])]
    files = [training, *others]
    window = window or (lengths.own_window(base) if base else None)
    counts = _token_counts(files, base)
    findings = [
        *(finding for data in files for finding in _own(data)),
        *labels.held_out(training),
        *(finding for data in others for finding in labels.same_labels(training, data)),
        *_texts(training, files, threshold),
        *_lengths(files, counts, window),
    ]
    return DataReport(
        files=tuple(_summary(data, tokens) for data, tokens in zip(files, counts, strict=True)),
        window=window,
        threshold=threshold,
        errors=_number(findings, "error"),
        warnings=_number(findings, "warning"),
        findings=tuple(sorted(findings, key=lambda finding: ("error", "warning", "note").index(finding.level))),
    )


def _distinct(paths: Sequence[Path]) -> Sequence[Path]:
    for path, count in Counter(path.resolve() for path in paths).items():
        if count > 1:
            raise DatasetError(f"{path} is named twice; a file cannot be compared with itself")
    return paths


def _own(data: Subject) -> Iterator[DataFinding]:
    """What a file's own lines say: those that cannot be read, one finding each, and the labels."""
    for problem in data.problems:
        text = f"{data.file.unit} {problem.line}: {problem.what}"
        yield DataFinding(level="error", check="form", file=data.name, text=text, remedy=problem.remedy, count=1)
    if data.total > len(data.problems):
        text = f"{data.total - len(data.problems)} more lines have faults"
        remedy = "correct these first"
        yield DataFinding(level="error", check="form", file=data.name, text=text, remedy=remedy)
    yield from labels.balance(data)


def _texts(training: Subject, files: Sequence[Subject], threshold: float) -> Iterator[DataFinding]:
    found = duplicates.likenesses(files, threshold)
    yield from duplicates.duplicates(found, training)
    yield from duplicates.contradictions(found)
    hidden = [personal.personal_lines(data.rows) for data in files]
    for data, lines in zip(files, hidden, strict=True):
        yield from personal.personal_data(data, lines)
    if training.field is not None:
        yield from suspects.suspects(training, found.clusters[: len(training.rows)], frozenset(hidden[0]))


def _token_counts(files: Sequence[Subject], base: Path | None) -> list[list[int]]:
    if base is None:
        return [[] for _ in files]
    count = lengths.token_counter(base)
    return [[count(row) for row in data.rows] for data in files]


def _lengths(files: Sequence[Subject], counts: Sequence[list[int]], window: int | None) -> Iterator[DataFinding]:
    for data, tokens in zip(files, counts, strict=True):
        if window and tokens:
            yield from lengths.too_long(data, tokens, window)
    if not any(counts):
        text = "lengths were not checked, because the base is not on this machine; name its folder with --base"
        yield DataFinding(level="note", check="length", file=None, text=text)


def _summary(data: Subject, tokens: Sequence[int]) -> FileSummary:
    origins = Counter(row.origin for row in data.rows if row.origin)
    return FileSummary(
        file=data.name,
        format=data.file.format,
        form=data.file.form,
        kind=data.file.kind,
        digest=data.file.digest,
        rows=len(data.rows),
        field=data.field,
        labels=dict(sorted(data.counts.items())),
        origins=dict(sorted(origins.items())),
        tokens=max(tokens, default=None),
    )


def _number(findings: Sequence[DataFinding], level: str) -> int:
    return sum(finding.level == level for finding in findings)
