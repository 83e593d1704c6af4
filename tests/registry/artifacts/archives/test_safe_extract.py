"""What lands is counted as it comes, whatever was said of it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from postil.registry.artifacts.archives.safe_extract import Landing
from postil.registry.errors import ArtifactError
from tests.registry.artifacts.archives.handmade import anything


def test_a_file_that_is_larger_than_it_said_is_refused(tmp_path: Path) -> None:
    landing = Landing(tmp_path, 3 << 20, anything, "")
    with pytest.raises(ArtifactError, match="larger than 3 MiB"):
        landing.file("x", 1, io.BytesIO(bytes(20 << 20)))
    assert (tmp_path / ".0" / "x").stat().st_size <= 3 << 20


def test_what_has_landed_leaves_less_room(tmp_path: Path) -> None:
    landing = Landing(tmp_path, 10, anything, "")
    landing.file("x", 6, io.BytesIO(bytes(6)))
    with pytest.raises(ArtifactError):
        landing.file("y", 5, io.BytesIO(bytes(5)))
    landing.file("z", 4, io.BytesIO(bytes(4)))
