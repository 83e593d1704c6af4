"""What the registry and the gateways ask of wherever artifacts are kept. ``local_store`` keeps them in a folder."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol


class ArtifactStore(Protocol):
    """Immutable artifacts, each a flat folder of files addressed by a digest over their names and contents.

    Several processes may use one store at a time. A store that keeps its files elsewhere copies them to a local folder
    before it hands out a path: the engine reads adapters from there.
    """

    def clear_incoming(self) -> None:
        """Drop what interrupted publishes left, and nothing that anybody is at work on."""

    def incoming(self) -> AbstractContextManager[Path]:
        """An empty local folder to unpack into; whatever happens, nothing of it is left after the block."""

    def put(self, folder: Path) -> str:
        """Keep the files of ``folder`` (from ``incoming``) and return their digest. Twice the same is once."""

    def report(self, digest: str) -> dict[str, Any]:
        """What an adapter's training reported (``training.json``); empty where there is no such report."""

    def verified_path(self, digest: str) -> Path:
        """A local folder with an artifact's files, checked against the digest. Raises ArtifactError."""

    def naming(self) -> AbstractContextManager[None]:
        """Around ``put`` and the transaction that names what was put: nothing is collected meanwhile."""

    def collecting(self) -> AbstractContextManager[Path]:
        """While nobody is between putting files and naming them; yields the folder to ``discard`` into."""

    def sizes(self) -> dict[str, int]:
        """The digest of every artifact, whole or damaged, with its size in bytes."""

    def discard(self, digest: str, trash: Path) -> None:
        """Take an artifact out of the store, whole: into a folder of ``collecting``."""
