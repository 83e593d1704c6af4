"""Rows that are held out: they are measured with once per release, and never learned from or varied.

``postil data split`` marks each of them, so that they are known wherever the file is moved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from postil.registry.training.data.forms import form_of
from postil.registry.training.data.reading import read_rows
from postil.registry.training.data.rows import Row, compared
from postil.registry.training.data.similar import THRESHOLD, near_index

HELD_OUT = "held-out"
_KEY = "part"


def marked(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values of a row, marked as held out."""
    return {**values, _KEY: HELD_OUT}


def is_held_out(row: Row) -> bool:
    """Whether a row is marked so."""
    return row.raw.get(_KEY) == HELD_OUT


def apart_from(
    rows: Sequence[Mapping[str, Any]], held_out: Sequence[Path], threshold: float = THRESHOLD
) -> list[Mapping[str, Any]]:
    """Return the rows that are near to none of the files' rows, which are taken as held out whatever they say.

    Raises DatasetError, TuneExtraMissingError.
    """
    index = near_index(threshold)
    for path in held_out:
        for row in read_rows(path).rows:
            index.add(compared(row))
    return [values for values in rows if not index.near(compared(form_of(values).row(0, values)))]
