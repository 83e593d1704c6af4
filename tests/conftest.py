"""What every test shares: no setting of the machine reaches a test."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away every POSTIL_* variable that the shell may have."""
    for name in list(os.environ):
        if name.startswith("POSTIL_") and not name.startswith("POSTIL_TEST_"):
            monkeypatch.delenv(name)
