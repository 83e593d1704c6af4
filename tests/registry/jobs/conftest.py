"""Files of a gateway without a gateway."""

from __future__ import annotations

from pathlib import Path

import pytest

from postil.registry.db.database import Database
from postil.registry.jobs.files import TrainingFiles
from postil.registry.jobs.rows import count_rows


@pytest.fixture
def files(database: Database, tmp_path: Path) -> TrainingFiles:
    """Training files of which a domain may keep 64 KiB, checked in this process."""
    return TrainingFiles(database, tmp_path / "training", 64 << 10, count_rows)
