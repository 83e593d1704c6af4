"""Goes through the rows whose label looks wrong or undecided, and writes a copy with what a person decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postil.plugins.texts import label_answer
from postil.registry.errors import DatasetError
from postil.registry.training.data.checks.subject import Subject, subject
from postil.registry.training.data.checks.suspects import suspects
from postil.registry.training.data.problems import DataProblemsError
from postil.registry.training.data.rows import InstructionRow, MessagesRow, Row, compared
from postil.registry.training.data.similar import THRESHOLD, clusters, near_pairs
from postil.registry.training.data.writing import json_lines, write_text


@dataclass(frozen=True, slots=True)
class Doubt:
    """A row to look at: its text and label, and the label that a linear model finds the likeliest other one."""

    line: int
    check: str
    text: str
    label: str
    suggested: str
    probability: float


@dataclass(frozen=True, slots=True)
class Shortlist:
    """The rows of a file to look at, the most doubtful first, at most fifty of each check."""

    data: Subject
    doubts: tuple[Doubt, ...]

    @property
    def labels(self) -> list[str]:
        """The labels of the file."""
        return sorted(self.data.counts)


def shortlist(path: Path, threshold: float = THRESHOLD) -> Shortlist:
    """Return what `postil data check` finds as suspects and ambiguous. Raises DatasetError, TuneExtraMissingError."""
    data = subject(path)
    if data.problems:
        raise DataProblemsError(path, data.problems, data.total, data.file.unit)
    if data.field is None:
        raise DatasetError(f"{path} has no labels to review; see what it holds with `postil data check`")
    groups = clusters(len(data.texts), near_pairs(data.texts, threshold))
    texts = {row.line: compared(row) for row in data.rows}
    return Shortlist(
        data,
        tuple(
            Doubt(
                spot.line,
                finding.check,
                texts[spot.line],
                str(spot.label),
                str(spot.suggested),
                float(spot.probability or 0),
            )
            for finding in suspects(data, groups, frozenset())
            for spot in finding.spots
        ),
    )


def write_reviewed(data: Subject, decisions: Mapping[int, str | None], out: Path) -> int:
    """Write a copy with the labels that were decided by line, without the rows decided None; return its rows.

    A row with another label than before keeps the former as ``relabelled_from``. Raises DatasetError.
    """
    rows = [
        _relabelled(row, str(data.field), str(label), decisions.get(row.line, label))
        for row, label in zip(data.rows, data.labels, strict=True)
        if decisions.get(row.line, label) is not None
    ]
    write_text(out, json_lines(rows))
    return len(rows)


def _relabelled(row: Row, field: str, former: str, label: str | None) -> Mapping[str, Any]:
    if label == former or label is None:
        return row.raw
    answer = label_answer(field, label)
    raw = {**row.raw, "relabelled_from": former}
    if isinstance(row, InstructionRow):
        return {**raw, "output": answer}
    if isinstance(row, MessagesRow):
        *before, last = raw["messages"]
        return {**raw, "messages": [*before, {**last, "content": answer}]}
    as_turns = isinstance(raw["completion"], list)
    return {**raw, "completion": [{"role": "assistant", "content": answer}] if as_turns else answer}
