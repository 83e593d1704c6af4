"""Lists of the admin API: every one in pages, each row once; the rows that belong to a key's domains and no others."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import select

from postil.gateway.api.admin.schemas.adapters import SHOWN
from postil.registry.accounts.keys import Role
from postil.registry.db import queries as store
from postil.registry.db.tables import Release
from postil.registry.names import AdapterName
from tests.gateway.conftest import FREE_TEXT, House
from tests.gateway.tenancy.test_roles import HEALTH, both, staff

__all__ = ["both"]
# Every list that comes in pages, and what it is asked with beside its page.
LISTS: dict[str, dict[str, str]] = {
    "/api/v1/adapters": {},
    f"{HEALTH}/releases": {},
    "/api/v1/events": {},
    "/api/v1/live": {"at": "2999-01-01"},
    "/api/v1/keys": {},
    "/api/v1/tenants": {},
    "/api/v1/domains": {},
    "/api/v1/plugins": {},
    "/api/v1/usage": {"by": "tenant"},
}


async def walked(house: House, path: str, **asked: Any) -> list[Any]:
    """All rows of a list, read one at a time."""
    rows: list[Any] = []
    page: dict[str, Any] = {"next": None}
    while not rows or page["next"] is not None:
        after = {} if page["next"] is None else {"after": page["next"]}
        page = (await house.admin("GET", path, params={**asked, **after, "limit": 1})).json()
        assert len(page["data"]) == 1
        rows += page["data"]
    return rows


@pytest.mark.parametrize("path", LISTS)
async def test_a_list_read_row_by_row_is_the_list(both: House, path: str) -> None:
    for domain in ("healthcare", "legal"):
        await both.ask(await both.tenant(f"an-{domain}-tenant", domain))
    await both.admin("GET", "/api/v1/usage")  # It waits until the answers are counted.
    page = (await both.admin("GET", path, params=LISTS[path])).json()
    assert page["next"] is None
    assert len(page["data"]) >= 2
    assert await walked(both, path, **LISTS[path]) == page["data"]


@pytest.mark.parametrize("asked", [{"limit": 0}, {"limit": 1001}, {"limit": "many"}, {"after": "nonsense"}])
async def test_a_page_that_cannot_be_is_refused(both: House, asked: dict[str, Any]) -> None:
    for path, more in LISTS.items():
        response = await both.admin("GET", path, params={**more, **asked})
        assert (response.status_code, path) == (422 if "after" in asked else 400, path)
        assert response.json()["detail"]


async def test_a_cursor_of_another_list_is_refused(both: House) -> None:
    cursor = (await both.admin("GET", "/api/v1/events", params={"limit": 1})).json()["next"]
    for path, params in (("/api/v1/keys", {}), ("/api/v1/events", {"newest_first": True})):
        response = await both.admin("GET", path, params={"after": cursor, **params})
        assert (response.status_code, "is not one of ours" in response.text) == (422, True)


async def test_a_publishers_pages_are_full_of_what_is_its_own(both: House) -> None:
    ann = await staff(both, Role.PUBLISHER, "legal")
    for path in ("/api/v1/adapters", "/api/v1/live?at=2999-01-01"):
        page = (await ann.ask("GET", path, params={"limit": 1} | ({"at": "2999-01-01"} if "?" in path else {}))).json()
        assert ([row["adapter"] for row in page["data"]], page["next"]) == (["legal/clause"], None)
    page = (await ann.ask("GET", "/api/v1/events", params={"limit": 3})).json()
    assert ([row["subject"] for row in page["data"]], page["next"]) == (["legal/clause"] * 3, None)


async def test_a_list_of_adapters_carries_no_releases(both: House) -> None:
    (row, _) = (await both.admin("GET", "/api/v1/adapters")).json()["data"]
    assert row.pop("live_since")
    assert row == {
        "adapter": "healthcare/triage", "live": 1, "canary": None, "shadow": None, "default": True, "retired": False,
        "release_count": 2,
    }  # fmt: skip


async def test_an_adapter_shows_its_newest_releases_and_events_and_the_lists_have_the_others(house: House) -> None:
    await house.publish("healthcare/triage", FREE_TEXT)
    with house.runtime.registry.database().write() as session:
        store.lock_for_writing(session)
        first = session.exec(select(Release)).one()
        for number in range(2, SHOWN + 11):
            values = first.model_dump(exclude={"id"}) | {"number": number, "policy_digest": str(number)}
            session.add(Release(**values))
            store.record(session, actor="ann", action="publish", subject="healthcare/triage", reason="", after=number)
    state = (await house.admin("GET", HEALTH)).json()
    assert [row["number"] for row in state["releases"]] == list(range(SHOWN + 10, 10, -1))
    assert [event["to"] for event in state["events"]] == list(range(11, SHOWN + 11))
    assert state["release_count"] == SHOWN + 10
    newest = (await house.admin("GET", f"{HEALTH}/releases", params={"newest_first": True})).json()
    assert newest["data"] == state["releases"]
    rest = await house.admin("GET", f"{HEALTH}/releases", params={"newest_first": True, "after": newest["next"]})
    assert [row["number"] for row in rest.json()["data"]] == list(range(10, 0, -1))
    assert rest.json()["next"] is None


async def test_the_counts_of_an_older_finding_are_shown_under_their_names_of_now(clinic: str, house: House) -> None:
    finding = {"signal": "fallbacks", "old_failures": 1, "old_total": 2, "new_failures": 3, "new_total": 4}
    with house.runtime.registry.database().write() as session:
        store.lock_for_writing(session)
        name = str(AdapterName("healthcare", "triage"))
        store.record(session, actor="postil", action="rollback", subject=name, reason="", details={"finding": finding})
    (event,) = (await house.admin("GET", "/api/v1/events", params={"newest_first": True, "limit": 1})).json()["data"]
    assert event["details"]["finding"] == {
        "signal": "fallbacks", "baseline_failures": 1, "baseline_total": 2, "candidate_failures": 3,
        "candidate_total": 4,
    }  # fmt: skip
    assert (await house.admin("GET", "/api/v1/audit")).json()["first_break"] is None


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/status", "/api/adapters/healthcare/triage", "/api/v2/status"])
async def test_a_path_without_the_version_says_where_the_api_is(house: House, path: str) -> None:
    answer = await house.admin("GET", path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["detail"] == "there is nothing here; the admin API is at /api/v1"
