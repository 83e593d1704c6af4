"""The report of ``postil data check``: each file in figures, and what was found, with its lines and a remedy."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Level = Literal["error", "warning", "note"]
CheckName = Literal[
    "form", "labels", "balance", "duplicates", "leak", "contradictions", "suspects", "ambiguous", "length", "pii"
]
# How many rows one finding names; the others are counted.
NAMED = 50


class Frozen(BaseModel):
    """A part of the report."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Spot(Frozen):
    """A row that a finding is about: its line, the row it collides with, or the label that seems right."""

    line: int
    other_file: str | None = None
    other_line: int | None = None
    likeness: float | None = None
    label: str | None = None
    suggested: str | None = None
    probability: float | None = None
    text: str | None = None


class DataFinding(Frozen):
    """Something that was found: an error stops training, a warning is for a person to judge, a note says what is so."""

    level: Level
    check: CheckName
    file: str | None
    text: str
    remedy: str = ""
    count: int = 0
    spots: tuple[Spot, ...] = ()


class FileSummary(Frozen):
    """A file in figures: what it is, its rows, labels and origins, and its longest row in tokens, where counted."""

    file: str
    format: str
    form: str
    kind: str
    digest: str
    rows: int
    field: str | None
    labels: dict[str, int]
    origins: dict[str, int]
    tokens: int | None = None


class DataReport(Frozen):
    """What ``postil data check`` says of some files."""

    files: tuple[FileSummary, ...]
    window: int | None
    threshold: float
    errors: int
    warnings: int
    findings: tuple[DataFinding, ...]
