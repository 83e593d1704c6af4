"""What a release keeps of the round that made it, as ``lineage`` in its training report."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from postil.registry.defaults import REPORT
from postil.registry.preflight.preflight import CONFIG, WEIGHTS

LINEAGE = "lineage"

# Anybody's JSON may stand in a report, so that every value has bounds.
Text = Annotated[str, Field(max_length=256)]
Digest = Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class Part(BaseModel):
    """A part of the lineage; what it does not know is left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class RowsFile(Part):
    """A file of rows: its part in the training, its digest and how many rows it has."""

    role: Text
    file: Text
    digest: Digest
    rows: Count


class ParentRelease(Part):
    """The release that was live, with which the new one was compared."""

    release: Text
    artifact: Text


class Decisions(Part):
    """The reviews that were exported: how many, the digest of their sorted ids, and how many of them were new."""

    count: Count
    digest: Digest
    added: Count
    since: Text | None = None


class CheckCounts(Part):
    """What the data check found."""

    errors: Count
    warnings: Count


class Compared(Part):
    """The rows that only one of the two releases answers right; ``p`` is the exact McNemar test's."""

    rows: Count
    only_before: Count
    only_after: Count
    p: Number
    difference: Number
    interval: tuple[Number, Number]


class RoundOrigin(Part):
    """The round behind a release; ``steps`` has the digest of what each step made."""

    parent: ParentRelease | None = None
    reviews: Decisions | None = None
    files: tuple[RowsFile, ...] = Field(default=(), max_length=64)
    check: CheckCounts | None = None
    comparison: Compared | None = None
    steps: dict[Text, Digest] = Field(default={}, max_length=64)


def write_with_origin(made: Path, out: Path, origin: RoundOrigin, figures: Mapping[str, Any]) -> None:
    """Copy an adapter to ``out`` with ``figures`` and the lineage in its report. Equal input, equal bytes."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for name in (CONFIG, WEIGHTS):
        shutil.copyfile(made / name, out / name)
    known = json.loads((made / REPORT).read_text(encoding="utf-8"))
    report = {**known, **figures, LINEAGE: origin.model_dump(mode="json", exclude_none=True)}
    (out / REPORT).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
