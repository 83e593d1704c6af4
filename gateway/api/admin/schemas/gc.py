"""Responses about garbage collection."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from postil.registry.releases import garbage


class CollectedArtifact(msgspec.Struct, kw_only=True):
    """A deleted artifact (or one to delete): its releases, the reason, and its size in bytes."""

    artifact: str
    releases: list[str]
    reason: str
    bytes: int


class CollectReport(msgspec.Struct, kw_only=True):
    """The artifacts that a collection deleted, or with ``dry_run`` would delete; ``bytes`` is their total size."""

    dry_run: bool
    keep: int
    garbage: list[CollectedArtifact]
    bytes: int


def show_collected(found: Sequence[garbage.Garbage], *, dry_run: bool, keep: int) -> CollectReport:
    """Convert the result of a collection."""
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
