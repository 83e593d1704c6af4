"""What the checks look at: a file's rows, with the examples that they are where answers are labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from postil.registry.training.data.problems import SHOWN, Problem
from postil.registry.training.data.reading import DataFile, scan_rows
from postil.registry.training.data.rows import Row, compared
from postil.registry.training.dataset import KINDS, Example, Labelled, labelled


@dataclass(frozen=True, slots=True)
class Subject:
    """A file that is checked. ``examples`` is empty where its answers are no labels."""

    file: DataFile
    problems: tuple[Problem, ...]
    total: int
    examples: tuple[Example, ...]
    field: str | None
    labels: tuple[str | None, ...]
    texts: tuple[str, ...]

    @property
    def name(self) -> str:
        """The file as it was named."""
        return str(self.file.path)

    @property
    def rows(self) -> Sequence[Row]:
        """The rows that could be read."""
        return self.file.rows

    @property
    def counts(self) -> Counter[str]:
        """How many rows each label has."""
        return Counter(example.label for example in self.examples)


def subject(path: Path) -> Subject:
    """Read a file for the checks. Raises DatasetError where it is no file of rows at all."""
    scan = scan_rows(path)
    rows = scan.file.rows
    read = _labelled(scan.file)
    found = read.found
    problems = sorted([*scan.problems, *read.problems], key=lambda problem: problem.line)
    return Subject(
        scan.file,
        tuple(problems[:SHOWN]),
        scan.total + read.total,
        tuple(example for _, example in found),
        found[0][0] if found else None,
        _in_order(rows, found),
        tuple(compared(row) for row in rows),
    )


def labels_of(file: DataFile) -> tuple[str | None, ...]:
    """The label of each row; None for all where the answers are no labels."""
    return _in_order(file.rows, _labelled(file).found)


def _labelled(file: DataFile) -> Labelled:
    none = Labelled([], [], 0)
    read = labelled(file.rows) if file.kind in KINDS else none
    # Else it is free text with some answers that look like labels, or none.
    return read if 2 * len(read.found) > len(file.rows) else none


def _in_order(rows: Sequence[Row], found: Sequence[tuple[str, Example]]) -> tuple[str | None, ...]:
    by_line = {example.line: example.label for _, example in found}
    return tuple(by_line.get(row.line) for row in rows)
