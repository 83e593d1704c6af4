"""How a garbage collection looks in the admin API."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from postil.registry.releases import garbage


class CollectedArtifact(msgspec.Struct, kw_only=True):
    """An artifact that was, or would be, deleted: the releases whose files it held, the reason, and its size."""

    artifact: str
    releases: list[str]
    reason: str
    bytes: int


class CollectReport(msgspec.Struct, kw_only=True):
    """What a garbage collection deleted, or with ``dry_run`` would delete; ``bytes`` is the sum."""

    dry_run: bool
    keep: int
    garbage: list[CollectedArtifact]
    bytes: int


def show_collected(found: Sequence[garbage.Garbage], *, dry_run: bool, keep: int) -> CollectReport:
    """The report of one collection."""
    return CollectReport(
        dry_run=dry_run,
        keep=keep,
        garbage=[
            CollectedArtifact(
                artifact=one.artifact,
                releases=[str(ref) for ref in one.releases],
                reason=one.reason,
                bytes=one.bytes,
            )
            for one in found
        ],
        bytes=sum(one.bytes for one in found),
    )
