"""Usage on the console: the same figures as the API's, for those who may see them."""

from __future__ import annotations

import re

import pytest

from postil.registry.accounts.keys import Role
from postil.registry.accounts.usage import Account, Batch, UsageRow, add
from postil.registry.db.tables import utcnow
from tests.gateway.api.console.conftest import People
from tests.gateway.channel_acts import NAME, opened, traffic
from tests.gateway.conftest import House


def rows(text: str, by: str) -> dict[str, list[str]]:
    """The figures of one table by the first column."""
    section = text.partition(f'<h2 id="{by}">')[2].partition("</section>")[0]
    found = {}
    for row in re.findall(r"<tr>\s*<th scope=\"row\">(.*?)</tr>", section, re.S):
        name, _, rest = row.partition("</th>")
        found[re.sub(r"<[^>]+>", "", name)] = re.findall(r"<td>([\d,]+)</td>", rest)
    return found


async def test_what_tenants_asked_is_shown_by_tenant_adapter_and_day(house: House, people: People) -> None:
    key = await opened(house)
    await traffic(house, key, range(3))
    (used,) = (await house.admin("GET", "/api/v1/usage")).json()["data"]
    text = await (await people.signed_in(Role.VIEWER)).text("/console/usage")
    expected = [str(used[name]) for name in ("requests", "prompt_tokens", "completion_tokens")]
    assert expected[0] == "3"
    assert rows(text, "tenant")["clinic"] == [*expected, "0", "0"]
    assert rows(text, "adapter")[NAME] == [*expected, "0", "0", "0"]
    assert list(rows(text, "day").values()) == [[*expected, "0", "0"]]
    assert '<rect class="used" x="0" y="0" width="160.0"' in text


async def test_a_refused_request_is_counted_for_its_adapter(house: House, people: People) -> None:
    key = await opened(house)
    await house.ask(key)
    assert (await house.ask(key, tools=[{"type": "function", "function": {"name": "f"}}])).status_code == 400
    text = await (await people.signed_in()).text("/console/usage?days=1")
    assert rows(text, "adapter")[NAME][-1] == "1"


async def test_who_has_no_right_to_it_has_no_page_of_it(house: House, people: People) -> None:
    await opened(house)
    for role in (Role.PUBLISHER, Role.REVIEWER):
        browser = await people.signed_in(role, "healthcare")
        assert "/console/usage" not in await browser.text("/console")
        assert (await browser.get("/console/usage")).status_code == 403


@pytest.mark.parametrize("days", ["", "0", "365", "x"])
async def test_another_period_is_refused(house: House, people: People, days: str) -> None:
    browser = await people.signed_in()
    assert (await browser.get("/console/usage", params={"days": days})).status_code == 400


async def test_without_any_usage_and_with_more_than_a_page_of_it_the_page_says_so(house: House, people: People) -> None:
    browser = await people.signed_in()
    assert (await browser.text("/console/usage")).count("Nothing was used in that time.") == 3
    day = utcnow().date()
    used = {Account(day, f"tenant-{n:03}", "", "", 0, "answer"): UsageRow(1, 0, n, n) for n in range(101)}
    add(house.runtime.registry.database(), Batch("a-test", 1, used), 0.0)
    text = await browser.text("/console/usage")
    assert len(rows(text, "tenant")) == 100
    assert "postil usage --by tenant --all" in text
    assert list(rows(text, "adapter")) == ["base"]
