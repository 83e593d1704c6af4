"""Who takes the files of a release out stands in the log."""

from __future__ import annotations

from postil.registry.accounts.keys import Role
from tests.gateway.conftest import House
from tests.gateway.tenancy.test_roles import staff

ARTIFACT = "/api/v1/adapters/healthcare/triage/releases/1/artifact"


async def test_an_export_is_logged_under_the_name_of_whoever_reads_it(house: House) -> None:
    await house.publish("healthcare/triage")
    person = await staff(house, Role.PUBLISHER, "healthcare", owner="eve")
    assert (await person.ask("GET", ARTIFACT)).status_code == 200
    (event,) = (await house.admin("GET", "/api/v1/events?newest_first=true&limit=1")).json()["data"]
    assert (event["action"], event["actor"], event["subject"], event["from"]) == (
        "export",
        "eve",
        "healthcare/triage",
        1,
    )


async def test_an_export_that_was_refused_is_none(house: House) -> None:
    await house.publish("healthcare/triage")
    other = await staff(house, Role.PUBLISHER, "legal")
    assert (await other.ask("GET", ARTIFACT)).status_code == 403
    assert (await house.admin("GET", ARTIFACT.replace("/1/", "/7/"))).status_code == 404
    events = (await house.admin("GET", "/api/v1/events")).json()["data"]
    assert "export" not in {event["action"] for event in events}
