"""What the tests of the plugin floor share."""

from __future__ import annotations

import pytest

from postil.plugins import Exchange, ReleaseRef


@pytest.fixture
def exchange() -> Exchange:
    """A question that nothing in these tests depends on."""
    return Exchange(ReleaseRef("healthcare", "triage", 2), "clinic", {"messages": []})
