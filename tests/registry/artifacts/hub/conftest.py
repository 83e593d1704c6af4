from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.hub import Hub
from tests.fakes.hub_client import asked_hub


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub with ``acme/triage`` on it, which the client asks."""
    with asked_hub(monkeypatch, tmp_path) as hub:
        yield hub
