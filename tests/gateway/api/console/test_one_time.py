"""The link that the demo prints: it signs in one person, once, soon."""

from __future__ import annotations

import re
from dataclasses import replace

from postil.gateway.api.console.one_time import OneTimeLink
from postil.gateway.server.app import completion_parts, make_litestar
from tests.fakes.http import serving
from tests.gateway.api.console.conftest import Browser, People
from tests.gateway.conftest import House
from tests.support.plain_http import plain_client


async def test_the_demo_on_loopback_tells_a_link_that_signs_in_once(house: House) -> None:
    told: dict[str, str] = {}
    settings = house.runtime.settings.model_copy(update={"demo": True})
    runtime = replace(house.runtime, settings=settings)
    app = make_litestar(runtime, completion_parts(runtime), told.__setitem__)
    async with serving(app) as url, plain_client(url) as client:
        browser = Browser(client)
        text = await browser.text(f"/console/login?once={told['console']}")
        assert 'type="password"' not in text
        (once,) = re.findall(r'name="once" value="([^"]+)"', text)
        refused = await browser.send("/console/login", once=once, person="postil")
        assert (refused.status_code, once in refused.text) == (400, True)
        assert (await browser.send("/console/login", once=once, person="Mona")).status_code == 303
        assert "Mona" in await browser.text("/console")
        await browser.send("/console/logout")
        assert (await browser.send("/console/login", once=once)).status_code == 401
        assert 'type="password"' in await browser.text(f"/console/login?once={once}")


async def test_without_the_demo_there_is_no_such_link(house: House, people: People) -> None:
    told: dict[str, str] = {}
    make_litestar(house.runtime, completion_parts(house.runtime), told.__setitem__)
    assert told == {}
    browser = people.browser()
    for once in ("", "x", "\u00e9"):
        assert 'type="password"' in await browser.text(f"/console/login?once={once}")
    assert (await browser.send("/console/login", once="x")).status_code == 401


def test_it_is_good_for_15_minutes_from_when_the_gateway_is_ready() -> None:
    now = [0.0]
    link = OneTimeLink(lambda: now[0])
    assert not link.fits("")
    secret, told = link.make(), list[str]()
    hear = link.heard_by(lambda step, text: told.append(step))
    hear("engine", "")
    now[0] = 2000.0  # The start may take longer than the link is good for.
    assert link.fits(secret)
    hear("ready", "")
    now[0] = 2899.0
    hear("ready", "")  # Of a restarted engine.
    assert link.fits(secret)
    assert told == ["engine", "ready", "ready"]
    now[0] = 2900.0
    assert not link.take(secret)


def test_only_the_newest_is_good_and_it_is_used_up() -> None:
    link = OneTimeLink()
    first, second = link.make(), link.make()
    assert [link.take(first), link.take(second), link.take(second)] == [False, True, False]
