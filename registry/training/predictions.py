"""An adapter's answers row by row, kept in its report: with them a running engine is held against training."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from postil.registry.training.report import Judged

# Of larger files the digest is kept alone: a report is read by people too.
MOST = 2000


class Predictions(BaseModel):
    """What an adapter answered to the rows of ``file``, in its order: ``0.9946 billing``, or None for a large file.

    The number is the label's probability before its temperature. ``digest`` is that of all lines. No message is in it.
    """

    model_config = ConfigDict(frozen=True)

    file: dict[str, Any]
    digest: str
    answers: tuple[str, ...] | None


def predicted(file: Mapping[str, Any], judged: Sequence[Judged]) -> Predictions:
    """Return the answers to the rows of ``file``, which is described as in a report."""
    lines = tuple(f"{one.probability:.4f} {one.label}" for one in judged)
    digest = f"sha256:{hashlib.sha256(chr(10).join(lines).encode()).hexdigest()}"
    return Predictions(file=dict(file), digest=digest, answers=lines if len(lines) <= MOST else None)


def known_predictions(report: Mapping[str, Any], digest: str, rows: int) -> list[tuple[str, float]] | None:
    """Return label and probability of each row of the file with ``digest``, as a report has them.

    None where it does not have them; a report may be anybody's JSON.
    """
    parts = report.get("predictions")
    for part in parts if isinstance(parts, list) else ():
        if isinstance(part, dict) and isinstance(part.get("file"), dict) and part["file"].get("digest") == digest:
            return _read(part.get("answers"), rows)
    return None


def _read(lines: object, rows: int) -> list[tuple[str, float]] | None:
    if not isinstance(lines, list) or len(lines) != rows:
        return None
    try:
        return [(label, float(number)) for number, _, label in (str(line).partition(" ") for line in lines)]
    except ValueError:
        return None
