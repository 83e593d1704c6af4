"""What the tests of releases share."""

from __future__ import annotations

import pytest

from tests.registry.conftest import Publish


@pytest.fixture
def three(publish: Publish) -> None:
    """Three releases of an adapter, none of them live."""
    for seed in range(3):
        publish(seed=seed)
