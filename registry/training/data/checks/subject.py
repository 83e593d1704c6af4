"""What the checks look at: a file's rows, with the examples that they are where answers are labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from postil.registry.training.data.problems import SHOWN, Problem
from postil.registry.training.data.reading import DataFile, scan_rows
from postil.registry.training.data.rows import Row, compared
from postil.registry.training.dataset import KINDS, Example, labelled


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
    found, wrong = labelled(rows) if scan.file.kind in KINDS else ([], [])
    if 2 * len(found) <= len(rows):  # Free text with some answers that look like labels, or none.
        found, wrong = [], []
    by_line = {example.line: example.label for _, example in found}
    problems = sorted([*scan.problems, *wrong], key=lambda problem: problem.line)
    return Subject(
        scan.file,
        tuple(problems[:SHOWN]),
        scan.total + len(wrong),
        tuple(example for _, example in found),
        found[0][0] if found else None,
        tuple(by_line.get(row.line) for row in rows),
        tuple(compared(row) for row in rows),
    )
