"""`/api/v1/events`: the log can be read whatever somebody wrote into its rows."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from postil.registry.releases import audit
from tests.gateway.channel_acts import opened
from tests.gateway.conftest import House


@pytest.mark.parametrize("odd", ["null", "[]", '"tenant"', "0", "true"])
async def test_details_of_any_kind_leave_the_log_readable(house: House, odd: str) -> None:
    await opened(house, 1)
    database = house.runtime.registry.database()
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE event SET details = :odd"), {"odd": odd})
    listed = await house.admin("GET", "/api/v1/events")
    assert listed.status_code == 200, listed.text
    assert {repr(event["details"]) for event in listed.json()["data"]} == {"{}"}
    assert audit.verify(database).first_break == 1
