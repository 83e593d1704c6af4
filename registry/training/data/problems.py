"""What is wrong with a file of training data: every fault with its line and its remedy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from postil.registry.errors import DatasetError

# How many faults of one file are kept; the rest is counted.
SHOWN = 50


@dataclass(frozen=True, slots=True)
class Problem:
    """A fault in one line, or in the file as a whole (line 0), and what to do about it."""

    line: int
    what: str
    remedy: str

    def said(self, path: Path, unit: str = "line") -> str:
        """The problem as a sentence with its place."""
        place = f"{path}, {unit} {self.line}" if self.line else str(path)
        return f"{place}: {self.what}; {self.remedy}"


class RowError(Exception):
    """A row that cannot be read: ``what`` is wrong with it, and the ``remedy``."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


class DataProblemsError(DatasetError):
    """A file with faults: the text is the first, ``problems`` are the first fifty, ``total`` counts all."""

    def __init__(self, path: Path, problems: Sequence[Problem], total: int, unit: str = "line") -> None:
        first = problems[0].said(path, unit)
        more = f" ({total - 1} more; `postil data check` lists them)" if total > 1 else ""
        super().__init__(first + more)
        self.path = path
        self.problems = tuple(problems)
        self.total = total
