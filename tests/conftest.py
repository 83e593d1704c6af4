"""What every test shares: no setting of the machine reaches a test, and little time goes into collecting garbage."""

from __future__ import annotations

import gc
import os

import pytest

from postil.gateway.server.collector import collect_seldom


def pytest_collection_finish() -> None:
    """Leave what was imported and collected out of garbage collections: looking at it takes a tenth of the time."""
    gc.collect()
    gc.freeze()
    collect_seldom()  # As a gateway does.


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away every POSTIL_* variable that the shell may have."""
    for name in list(os.environ):
        if name.startswith("POSTIL_") and not name.startswith("POSTIL_TEST_"):
            monkeypatch.delenv(name)
