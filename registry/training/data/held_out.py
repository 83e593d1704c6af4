"""Rows that are held out: they are measured with once per release, and never learned from or varied.

``postil data split`` marks each of them, so that they are known wherever the file is moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from postil.registry.training.data.rows import Row

HELD_OUT = "held-out"
_KEY = "part"


def marked(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values of a row, marked as held out."""
    return {**values, _KEY: HELD_OUT}


def is_held_out(row: Row) -> bool:
    """Whether a row is marked so."""
    return row.raw.get(_KEY) == HELD_OUT
