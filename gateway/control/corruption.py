"""What is known of a release whose files are not what was published."""

from __future__ import annotations

from dataclasses import dataclass

from postil.plugins import ReleaseRef


@dataclass(frozen=True, slots=True)
class CorruptArtifact:
    """The release, and the sentence that says what is wrong with its files."""

    release: ReleaseRef
    reason: str
