"""Reads a file of training data of any known form: ``read_rows(path)`` gives its rows, or all that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postil.registry.errors import DatasetError
from postil.registry.training.data.decoding import FileFormat, decode
from postil.registry.training.data.forms import FORMS, KEYS, Form, form_of, named
from postil.registry.training.data.problems import SHOWN, DataProblemsError, Problem, RowError
from postil.registry.training.data.rows import Kind, Row


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of rows of one ``kind``; ``form`` names its keys, ``digest`` is that of its text."""

    path: Path
    kind: Kind
    rows: tuple[Row, ...]
    digest: str
    form: str
    format: FileFormat = "jsonl"

    @property
    def unit(self) -> str:
        """What ``Row.line`` counts: lines, or the rows of a Parquet file."""
        return "row" if self.format == "parquet" else "line"


@dataclass(frozen=True, slots=True)
class Scan:
    """The rows that could be read, the first fifty problems of the others, and how many problems there are."""

    file: DataFile
    problems: tuple[Problem, ...]
    total: int


def read_rows(path: Path) -> DataFile:
    """Read ``path``, whatever its form. Raises DatasetError, with all faults where it is a DataProblemsError."""
    scan = scan_rows(path)
    if scan.problems:
        raise DataProblemsError(path, scan.problems, scan.total, scan.file.unit)
    return scan.file


def scan_rows(path: Path) -> Scan:
    """Read what can be read of ``path`` and say what is wrong with the rest. Raises DatasetError for no file at all."""
    decoded = decode(path, KEYS)
    if not decoded.records:
        raise DatasetError(f"{path} holds no example; write one JSON object per line, as {_forms()}")
    rows: list[Row] = []
    problems: list[Problem] = []
    first: tuple[Form, int] | None = None
    for line, record in decoded.records:
        try:
            form, values = _same_kind(record, first)
            first = first or (form, line)
            rows.append(form.row(line, values))
        except RowError as error:
            problems.append(Problem(line, error.what, error.remedy))
    form = first[0] if first else FORMS[0]
    file = DataFile(path, form.kind, tuple(rows), decoded.digest, named(form), decoded.format)
    return Scan(file, tuple(problems[:SHOWN]), len(problems))


def _same_kind(record: Mapping[str, Any] | RowError, first: tuple[Form, int] | None) -> tuple[Form, Mapping[str, Any]]:
    """Return a record with its form. Raises RowError where it has none, or another kind than the first."""
    if isinstance(record, RowError):
        raise record
    form = form_of(record)
    if first is not None and form.kind != first[0].kind:
        what = f"this is {named(form)}, and line {first[1]} is {named(first[0])}"
        raise RowError(what, "a file holds one kind of data; put the others into files of their own")
    return form, record


def _forms() -> str:
    return "; ".join(map(named, FORMS))
