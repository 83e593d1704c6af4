"""The rows that a router learns from and is measured on: texts, each with its model, or with none."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from postil.plugins.recognition.router_model import MODEL, MOST_MODELS, TrainedOn
from postil.registry.errors import DatasetError
from postil.registry.training.data.held_out import HELD_OUT, is_held_out
from postil.registry.training.data.labels import label_of
from postil.registry.training.data.problems import DataProblemsError, Problem, RowError
from postil.registry.training.data.reading import DataFile, read_rows
from postil.registry.training.data.rows import Row, compared
from postil.registry.training.data.similar import clusters, near_pairs
from postil.registry.training.data.split import PARTS, assign

# How files and rows name texts that are for no model.
NONE = "none"
LEAST = 20
_TRAIN, _, _CALIBRATION, _ = PARTS
# Of the rows: what is learned from, and what the threshold and the figures come from.
_SHARES = (70.0, 0.0, 15.0, 15.0)


@dataclass(frozen=True, slots=True)
class RouterRow:
    """A text and its model; None for one that is for no model."""

    text: str
    model: str | None


@dataclass(frozen=True, slots=True)
class RouterData:
    """Rows in their parts, and the files that they come from."""

    train: tuple[RouterRow, ...]
    calibration: tuple[RouterRow, ...]
    held_out: tuple[RouterRow, ...]
    files: tuple[TrainedOn, ...]


def read_data(data: Sequence[str], held_out: Sequence[str], reject: str | None, seed: int) -> RouterData:
    """Read files that are named ``MODEL=FILE``, or ``FILE`` if their rows' labels are models.

    Rows that are nearly the same stay in one part. Where ``held_out`` names files, the figures come from these, and
    rows near to theirs are learned from by nobody. Raises DatasetError, TuneExtraMissingError.
    """
    files = [_Named.parse(one) for one in data]
    read = [(named, read_rows(named.path)) for named in files]
    rows = [row for named, file in read for row in _rows(named, file, reject, learned=True)]
    kept = [row for name in held_out for row in rows_of(name, reject)]
    known = tuple(_trained_on(named, file) for named, file in read)
    parts = _parts(rows, kept, seed)
    found = RouterData(parts[_TRAIN], parts[_CALIBRATION], tuple(kept) or parts[HELD_OUT], known)
    _check(found, {row.model for row in rows})
    return found


def rows_of(name: str, reject: str | None = None) -> list[RouterRow]:
    """All rows of a file that is named as for ``read_data``. Raises DatasetError."""
    named = _Named.parse(name)
    return list(_rows(named, read_rows(named.path), reject))


@dataclass(frozen=True, slots=True)
class _Named:
    """A file, and the model that all of its rows are for: None where each row says it."""

    model: str | None
    path: Path

    @classmethod
    def parse(cls, text: str) -> _Named:
        model, equals, path = text.partition("=")
        if not equals or not re.fullmatch(MODEL, model):
            return cls(None, Path(text))
        return cls(model, Path(path))


def _trained_on(named: _Named, file: DataFile) -> TrainedOn:
    return TrainedOn(file=named.path.name, model=named.model, rows=len(file.rows), digest=file.digest)


def _rows(named: _Named, file: DataFile, reject: str | None, *, learned: bool = False) -> Iterator[RouterRow]:
    """The rows of a file but those with the label ``reject``. Raises DatasetError."""
    if learned and any(map(is_held_out, file.rows)):
        raise DatasetError(f"{named.path} has rows that are held out; measure with it: pass it as --held-out")
    problems: list[Problem] = []
    for row in file.rows:
        try:
            model = _label(row, reject) if named.model is None else named.model
        except RowError as error:
            problems.append(Problem(row.line, error.what, error.remedy))
            continue
        if named.model is None or reject is None or not _says(row, reject):
            yield RouterRow(compared(row), None if model == NONE else model)
    if problems:
        raise DataProblemsError(named.path, tuple(problems[:50]), len(problems), file.unit)


def _label(row: Row, reject: str | None) -> str:
    """The model that a row's answer names. Raises RowError."""
    _, label = label_of(row)
    if label == reject:
        return NONE
    if not re.fullmatch(MODEL, label):
        raise RowError(
            f"{label[:80]!r} is no model", f"write a domain, an adapter or {NONE}, or name the file MODEL=FILE"
        )
    return label


def _says(row: Row, label: str) -> bool:
    """Whether a row's answer is this label."""
    try:
        return label_of(row)[1] == label
    except RowError:
        return False


def _parts(rows: Sequence[RouterRow], kept: Sequence[RouterRow], seed: int) -> dict[str, tuple[RouterRow, ...]]:
    """The rows by part; with ``kept``, no row that is near to one of these, and no held-out part."""
    together = [*rows, *kept]
    grouped = clusters(len(together), near_pairs(row.text for row in together))
    taken = set(grouped[len(rows) :])
    free = [at for at in range(len(rows)) if grouped[at] not in taken]
    shares = (*_SHARES[:3], 0.0 if kept else _SHARES[3])
    where = assign([grouped[at] for at in free], [rows[at].model or "" for at in free], shares, seed)
    found = list(zip(free, where, strict=True))
    return {part: tuple(rows[at] for at, name in found if name == part) for part in PARTS}


def _check(data: RouterData, models: Iterable[str | None]) -> None:
    """Refuse what no router can be made of. Raises DatasetError."""
    known = set(models)
    if len(known) < 2:
        raise DatasetError(f"all rows are for one model; name two models or more, or texts of none: {NONE}=FILE")
    if len(known) > MOST_MODELS:
        raise DatasetError(f"the rows are for {len(known)} models, and {MOST_MODELS} are the most; leave some out")
    counts = Counter(row.model for row in data.train)
    for model in sorted(known, key=str):
        if counts[model] < LEAST:
            raise DatasetError(
                f"{model or NONE} has {counts[model]} texts to learn from that differ, and {LEAST} are the least;"
                " add some"
            )
