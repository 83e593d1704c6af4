"""Uploaded training files: whether they can be read, and all that is wrong with them in one sentence."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from postil.registry.errors import DatasetError, JobError
from postil.registry.training.data.problems import DataProblemsError
from postil.registry.training.data.reading import read_rows
from postil.registry.training.data.rows import Row

_JSONL = "jsonl"
_PARQUET = b"PAR1"


def count_rows(path: Path, name: str) -> int:
    """How many examples a file has, which is shown as ``name``. Raises JobError, with the first fifty faults."""
    with path.open("rb") as file:
        is_parquet = file.read(len(_PARQUET)) == _PARQUET
    try:
        found = None if is_parquet else read_rows(path)
    except DatasetError as error:
        raise JobError(all_faults(error, {path: name}), "file") from error
    if found is None or found.format != _JSONL:
        raise JobError(f'{name} is not JSONL; write one JSON object per line, such as {{"messages": [...]}}', "file")
    return len(found.rows)


def all_faults(error: DatasetError, names: dict[Path, str]) -> str:
    """The text of an error with names in place of paths; of a file with faults, the first fifty of them."""
    said = str(error)
    if isinstance(error, DataProblemsError) and error.total > 1:
        shown = [f"line {one.line}: {one.what}; {one.remedy}" for one in error.problems]
        more = f"; and {error.total - len(shown)} more" if error.total > len(shown) else ""
        said = f"{error.path} has {error.total} faults: {'; '.join(shown)}{more}"
    for path, name in names.items():
        said = said.replace(str(path), name)
    return said


def write_rows(rows: Iterable[Row], path: Path) -> None:
    """Write rows as they were read, each on the line of its number; other lines are empty."""
    lines = {row.line: json.dumps(dict(row.raw)) for row in rows}
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{lines.get(number, '')}\n" for number in range(1, max(lines) + 1))
