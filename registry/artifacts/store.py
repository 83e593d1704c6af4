"""The interface to stored artifacts. ``local_store`` implements it with a folder."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol


class ArtifactStore(Protocol):
    """Immutable artifacts, each a flat folder of files addressed by a digest over their names and contents.

    Several processes may use one store at a time. A remote store copies files to a local folder before it returns a
    path, because the engine reads adapters from there.
    """

    def clear_incoming(self) -> None:
        """Delete what interrupted publishes left, but nothing that another process is working on."""

    def incoming(self) -> AbstractContextManager[Path]:
        """Yield an empty local folder to unpack into; it is deleted after the block in any case."""

    def put(self, folder: Path) -> str:
        """Store the files of ``folder`` (from ``incoming``) and return their digest; a second time changes nothing."""

    def report(self, digest: str) -> dict[str, Any]:
        """Return the adapter's training report (``training.json``); empty if there is none."""

    def verified_path(self, digest: str) -> Path:
        """Check an artifact's files against its digest and return a local folder. Raises ArtifactError."""

    def naming(self) -> AbstractContextManager[None]:
        """Hold off garbage collection around ``put`` and the transaction that references the artifact."""

    def collecting(self) -> AbstractContextManager[Path]:
        """Wait until no process is between ``put`` and its transaction; yield the folder to ``discard`` into."""

    def sizes(self) -> dict[str, int]:
        """Return the digest of every artifact, intact or damaged, with its size in bytes."""

    def discard(self, digest: str, trash: Path) -> None:
        """Move an artifact out of the store, into a folder of ``collecting``."""
