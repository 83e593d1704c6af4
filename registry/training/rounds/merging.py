"""Puts what people decided together with the rows of before; a decision stands above an older row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postil.registry.training.data.held_out import apart_from, is_held_out
from postil.registry.training.data.reading import DataFile, read_rows
from postil.registry.training.data.rows import Kind, Row, compared
from postil.registry.training.data.similar import key
from postil.registry.training.errors import RoundError

# How a decision is exported, for rows of before of a kind; rows with a prompt take none of these.
EXPORTS: Mapping[Kind, str] = {"instruction": "instruction", "messages": "messages"}


@dataclass(frozen=True, slots=True)
class Merged:
    """The rows to learn from, and what became of both sides.

    ``added`` decisions are new; ``repeated`` ones are in the rows of before already, with the same answer. ``replaced``
    rows of before had another answer than a decision. ``near`` rows are near to one that is held out, and left out.
    """

    rows: tuple[Mapping[str, Any], ...]
    before: int
    added: int
    repeated: int
    replaced: int
    near: int

    @property
    def counts(self) -> dict[str, int]:
        """Return the figures by their names."""
        names = ("before", "added", "repeated", "replaced", "near")
        return {"rows": len(self.rows)} | {name: getattr(self, name) for name in names}


def export_kind(data: Sequence[Path]) -> str:
    """Return the kind in which decisions join the rows of some files. Raises DatasetError, RoundError."""
    kinds = {file.kind: file for file in map(read_rows, data)}
    if len(kinds) > 1:
        raise RoundError("the files of --data hold different kinds of rows; bring them into one form")
    kind, file = kinds.popitem()
    if kind not in EXPORTS:
        raise RoundError(
            f"{file.path} holds {file.form}, and decisions are exported as instruction/input/output or messages;"
            " bring the rows into one of these forms"
        )
    return EXPORTS[kind]


def merge(decided: Path, data: Sequence[Path], apart: Sequence[Path]) -> Merged:
    """Merge the rows of ``decided`` into those of ``data``, without those near to a row of ``apart``.

    Raises DatasetError, RoundError where nothing is new, TuneExtraMissingError.
    """
    new = {_key(row): row for row in read_rows(decided).rows}
    old = [row for file in map(read_rows, data) for row in _learnable(file)]
    known = {_key(row): row.answer for row in old}
    added = {place: row for place, row in new.items() if known.get(place) != row.answer}
    rows = [row.raw for row in old if _key(row) not in added] + [row.raw for row in added.values()]
    kept = apart_from(rows, apart)
    fresh = {id(row.raw) for row in added.values()}
    if not any(id(values) in fresh for values in kept):
        raise RoundError(_nothing(len(new), len(added)))
    return Merged(
        rows=tuple(kept),
        before=len(old),
        added=len(added),
        repeated=len(new) - len(added),
        replaced=sum(_key(row) in added for row in old),
        near=len(rows) - len(kept),
    )


def _learnable(file: DataFile) -> Sequence[Row]:
    if any(map(is_held_out, file.rows)):
        raise RoundError(f"{file.path} has rows that are held out; name it with --held-out and not with --data")
    return file.rows


def _key(row: Row) -> str:
    return key(compared(row))


def _nothing(decided: int, new: int) -> str:
    many = "the one decided answer is" if decided == 1 else f"all {decided} decided answers are"
    where = "near to held-out rows" if new else "in the training data already"
    return f"there is nothing to learn: {many} {where}; decide more with `postil reviews`"
