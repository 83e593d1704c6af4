"""The response about the way from rows to a release."""

from __future__ import annotations

import msgspec

from postil.gateway.api.admin.schemas.times import stamp
from postil.registry.db import tables
from postil.registry.releases.lineage import Lineage


class LineageFile(msgspec.Struct, kw_only=True):
    """A file of rows: what it was for, its name and digest, and its number of rows."""

    role: str
    file: str
    digest: str
    rows: int


class LineageParent(msgspec.Struct, kw_only=True):
    """The release that was live then, with which this one was compared."""

    release: str
    artifact: str


class LineageReviews(msgspec.Struct, kw_only=True):
    """The reviews that were exported: how many, the digest of their ids, and how many were new to the data."""

    count: int
    digest: str
    added: int
    since: str | None


class LineageCheck(msgspec.Struct, kw_only=True):
    """What the data check found."""

    errors: int
    warnings: int


class LineageMethod(msgspec.Struct, kw_only=True):
    """The options of the training, and the versions of the libraries."""

    options: dict[str, bool | int | float | str | list[str] | None]
    libraries: dict[str, str]


class LineageEvaluation(msgspec.Struct, kw_only=True):
    """The figures on held-out rows; ``base_right`` is the base's.

    ``uses`` is how many adapters of the domain were measured with this file, as far as the gateway knows; above
    ``limit`` it is worn out.
    """

    file: str
    digest: str
    examples: int
    right: int
    accuracy: float
    interval: list[float] | None
    base_right: int | None
    uses: int
    limit: int


class LineageComparison(msgspec.Struct, kw_only=True):
    """How many rows only the parent and only this release answers right, with McNemar's p."""

    rows: int
    only_before: int
    only_after: int
    p: float
    difference: float
    interval: list[float]


class LineageJobFile(msgspec.Struct, kw_only=True):
    """A training file of a fine-tuning job."""

    id: str
    digest: str | None
    filename: str | None
    examples: int | None


class LineageJob(msgspec.Struct, kw_only=True):
    """The fine-tuning job that made the release."""

    id: str
    training_file: LineageJobFile | None
    validation_file: LineageJobFile | None


class ReleaseLineage(msgspec.Struct, kw_only=True):
    """A release, who published it, and the way from rows to it as its training report says.

    ``unknown`` names the parts that the report does not have. ``steps`` has the digest of what each step of the round
    made. The report comes with the adapter, so that only who published it, when, and the artifact are the gateway's
    own knowledge.
    """

    release: str
    artifact: str
    base: str
    base_revision: str
    policy_digest: str
    created: str
    actor: str
    note: str
    source: str
    parent: LineageParent | None
    reviews: LineageReviews | None
    files: list[LineageFile]
    check: LineageCheck | None
    method: LineageMethod | None
    evaluation: LineageEvaluation | None
    comparison: LineageComparison | None
    steps: dict[str, str]
    job: LineageJob | None
    unknown: list[str]


class HeldOutUses(msgspec.Struct, kw_only=True):
    """How many adapters of a domain were measured with a file of held-out rows; above ``limit`` it is worn out."""

    digest: str
    uses: int
    limit: int


def show_lineage(row: tables.Release, lineage: Lineage, uses: int, limit: int) -> ReleaseLineage:
    """Convert a release with its lineage, and how often its held-out rows were used."""
    of_release = {
        "release": f"{row.domain}/{row.adapter}@{row.number}",
        "artifact": row.artifact,
        "base": row.base_id,
        "base_revision": row.base_revision,
        "policy_digest": row.policy_digest,
        "created": stamp(row.created_at),
        "actor": row.actor,
        "note": row.note,
        "source": row.source,
    }
    known = lineage.model_dump(mode="json")
    if known["evaluation"] is not None:
        known["evaluation"] |= {"uses": uses, "limit": limit}
    return msgspec.convert({**of_release, **known, "unknown": list(lineage.unknown)}, ReleaseLineage)
