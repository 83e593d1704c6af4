"""What the tests of the plugin floor share."""

from __future__ import annotations

import pytest

from postil.plugins import ReleaseRef, RequestContext


@pytest.fixture
def context() -> RequestContext:
    """A question that nothing in these tests depends on."""
    return RequestContext(ReleaseRef("healthcare", "triage", 2), "clinic", {"messages": []})
