"""The way from rows to a release, as its training report tells it; what the report does not say is unknown.

A report comes with the adapter and may be anybody's JSON: each part is taken only where it has the form of that part.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from postil.registry.artifacts.store import ArtifactStore
from postil.registry.db.tables import Release
from postil.registry.training.rounds.origin import (
    LINEAGE,
    CheckCounts,
    Compared,
    Count,
    Decisions,
    Digest,
    Number,
    ParentRelease,
    Part,
    RoundOrigin,
    RowsFile,
    Text,
)

P = TypeVar("P", bound=BaseModel)
Scalar = bool | Count | Number | Text | None
# The parts of which a release of before may say nothing.
PARTS = ("parent", "reviews", "files", "method", "evaluation", "comparison")

# What a report calls the files of a training, and what they were for.
_ROLES = (
    ("data", "train"),
    ("selection", "validation"),
    ("calibrated_on", "calibration"),
    ("validation", "held-out"),
)


class JobFile(Part):
    """A training file of a fine-tuning job."""

    id: Text
    digest: Digest | None = None
    filename: Text | None = None
    examples: Count | None = None


class JobOrigin(Part):
    """The fine-tuning job that made a release."""

    id: Text
    training_file: JobFile | None = None
    validation_file: JobFile | None = None


class Method(Part):
    """How it was trained: the options, and the versions of the libraries."""

    options: dict[Text, Scalar | tuple[Text, ...]] = Field(max_length=64)
    libraries: dict[Text, Text] = Field(default={}, max_length=64)


class HeldOutFigures(Part):
    """The figures of the report: on which file, how many rows, how many right, and how many of the base's."""

    file: Text
    digest: Digest
    examples: Count
    right: Count
    accuracy: Number
    interval: tuple[Number, Number] | None = None
    base_right: Count | None = None


class Lineage(BaseModel):
    """A release with what is known of its making; ``unknown`` names the parts of which nothing is."""

    model_config = ConfigDict(frozen=True)

    parent: ParentRelease | None
    reviews: Decisions | None
    files: tuple[RowsFile, ...]
    check: CheckCounts | None
    method: Method | None
    evaluation: HeldOutFigures | None
    comparison: Compared | None
    steps: dict[str, str]
    job: JobOrigin | None

    @property
    def unknown(self) -> tuple[str, ...]:
        """The parts of which the report says nothing. A round without a live release has no parent: that is known."""
        known_of_round = {"parent", "comparison"} if self.steps else set()
        return tuple(name for name in PARTS if not getattr(self, name) and name not in known_of_round)


def lineage_of(release: Release, artifacts: ArtifactStore) -> Lineage:
    """Read a release's lineage from its report, a file: not for the event loop."""
    return lineage_in(artifacts.report(release.artifact))


def lineage_in(report: Mapping[str, Any]) -> Lineage:
    """Return what a training report says of the way to its adapter."""
    origin = _part(RoundOrigin, report.get(LINEAGE)) or RoundOrigin()
    return Lineage(
        parent=origin.parent,
        reviews=origin.reviews,
        files=origin.files or _files(report),
        check=origin.check,
        method=_part(Method, report),
        evaluation=_evaluation(report),
        comparison=origin.comparison,
        steps=origin.steps,
        job=_part(JobOrigin, report.get("job")),
    )


def _part(kind: type[P], values: object) -> P | None:
    """Return a part that has its form, or None."""
    try:
        return kind.model_validate(values)
    except ValidationError:
        return None


def _files(report: Mapping[str, Any]) -> tuple[RowsFile, ...]:
    """The files of a report, each once, by what they were for."""
    found: dict[str, RowsFile] = {}
    for name, role in _ROLES:
        about = report.get(name)
        if isinstance(about, Mapping):
            file = _part(RowsFile, {"role": role, "rows": about.get("examples", about.get("rows")), **about})
            if file is not None:
                found.setdefault(file.digest, file)
    return tuple(found.values())


def _evaluation(report: Mapping[str, Any]) -> HeldOutFigures | None:
    about, metrics, base = (report.get(name) for name in ("validation", "adapter_metrics", "base_metrics"))
    if not isinstance(about, Mapping) or not isinstance(metrics, Mapping):
        return None
    base_right = base.get("right") if isinstance(base, Mapping) else None
    return _part(HeldOutFigures, {**about, **metrics, "base_right": base_right})
