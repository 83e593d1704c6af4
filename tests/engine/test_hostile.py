"""A tenant and a publisher who attack without a pause, beside three honest tenants, on the real vLLM: a short form."""

from __future__ import annotations

import pytest

from tests.chaos.hostile.scene import hostile
from tests.engine.conftest import Served

pytestmark = pytest.mark.engine

SECONDS = 60


async def test_one_tenant_and_one_publisher_harm_nobody(served: Served) -> None:
    row = await hostile(served.url, (served.home / "admin.key").read_text().strip(), SECONDS, short=True)
    print(row.notes)
    assert row.good, row
