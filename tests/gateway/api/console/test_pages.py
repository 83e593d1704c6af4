"""What all pages share: headers, escaping, templates without inline code, and errors that look like pages."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from litestar.routes import HTTPRoute
from sqlalchemy import text as sql

from postil.gateway.api.console import pages
from postil.gateway.server.app import completion_parts, make_litestar
from postil.gateway.tenancy.permissions import Permission
from postil.registry.accounts.keys import Role
from postil.registry.db import queries
from tests.gateway.api.console.conftest import SAME, People
from tests.gateway.channel_acts import NAME, canary, damage, opened, spoil, traffic
from tests.gateway.conftest import TRIAGE, House, until

FOLDER = Path(pages.__file__).parent
# What a strict policy forbids, or what would run a text of a stranger's.
FORBIDDEN = re.compile(r"""\sstyle=|\son[a-z]+\s*=|javascript:|\|\s*safe\b|autoescape|hx-on|<script(?! src)|{%\s*raw""")


def check_headers(answer: httpx.Response) -> None:
    """What every page has."""
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"


async def test_every_page_has_the_headers_and_so_have_errors_and_redirects(house: House, people: People) -> None:
    await opened(house)
    browser, stranger = await people.signed_in(), people.browser()
    for path in ("/console", f"/console/adapters/{NAME}", "/console/reviews", "/console/log", "/console/nothing"):
        check_headers(await browser.get(path))
        check_headers(await stranger.get(path))
    check_headers(await browser.send(f"/console/adapters/{NAME}/promote"))
    check_headers(await stranger.get("/console/login"))
    check_headers(await stranger.send_as({}, "/console/login"))


async def test_styles_and_scripts_are_named_by_what_is_in_them_and_kept(house: House, people: People) -> None:
    browser = people.browser()
    text = await browser.text("/console/login")
    found = sorted(set(re.findall(r'"(/console/static/[^"]+)"', text)))
    assert [path.rsplit(".", 1)[1] for path in found] == ["css", "js", "svg"]
    for path in found:
        answer = await browser.get(path)
        assert (answer.status_code, answer.headers["x-content-type-options"]) == (200, "nosniff")
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    for path in ("/console/static/console.css", "/console/static/..%2f__init__.py"):
        assert (await browser.get(path)).status_code in (303, 404), path


@pytest.mark.parametrize("path", sorted(FOLDER.glob("templates/*.html")), ids=lambda path: path.name)
def test_a_template_has_no_code_of_its_own_and_escapes_everything(path: Path) -> None:
    assert FORBIDDEN.findall(path.read_text(encoding="utf-8")) == []


def test_the_script_builds_no_markup_of_texts() -> None:
    text = (FOLDER / "static" / "console.js").read_text(encoding="utf-8")
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|\beval\b|Function\(|document\.write", text) == []


async def test_every_route_says_who_may_and_only_the_way_in_is_public(house: House) -> None:
    app = make_litestar(house.runtime, completion_parts(house.runtime))
    public, signed_in = set(), set()
    for route in app.routes:
        if not route.path.startswith("/console"):
            continue
        assert isinstance(route, HTTPRoute)
        for handler in route.route_handlers:
            if handler.opt.get("public"):
                public.add(route.path)
            elif handler.opt.get("signed_in"):
                signed_in.add(route.path)
            elif "OPTIONS" not in handler.http_methods:
                assert isinstance(handler.opt.get("may"), Permission), route.path
    assert public == {"/console/login", "/console/logout", "/console/static/{name:str}"}
    assert signed_in == {"/console", "/console/{rest:path}"}


async def test_notes_and_reasons_of_strangers_stay_texts(house: House, people: People) -> None:
    evil = "<script>alert(1)</script>\u202e{{ 7*7 }}"
    await opened(house)
    await house.admin("POST", f"/api/v1/adapters/{NAME}/promote", json={"release": 2, "reason": evil})
    browser = await people.signed_in()
    for path in (f"/console/adapters/{NAME}", "/console/log"):
        text = await browser.text(path)
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;\\u202e{{ 7*7 }}" in text, path
    login = await people.browser().text('/console/login?next="><script>alert(1)</script>')
    assert "alert" not in login


async def test_home_says_what_needs_somebody(house: House, people: People) -> None:
    browser = await people.signed_in()
    assert "Nothing waits for you." in await browser.text("/console")
    key = await opened(house)
    await canary(house, 2, 50)
    await traffic(house, key, range(10))
    text = await browser.text("/console")
    assert "@2 at 50 %" in text
    assert "10 answered" in text


async def test_home_says_what_was_taken_back_automatically_and_why(house: House, people: People) -> None:
    key = await opened(house)
    await canary(house, 2, 50)
    spoil(house, 2)
    entries = house.runtime.catalog
    for start in range(0, 400, 40):
        await traffic(house, key, range(start, start + 40))
        if entries.current.entries[NAME].canary is None:
            break
    await until(lambda: entries.current.entries[NAME].canary is None)
    with house.runtime.registry.database().write() as session:
        queries.lock_for_writing(session)
        for _ in range(201):
            queries.record(session, actor="ann", action="pin", subject=NAME, reason="much else was done since")
    text = await (await people.signed_in(Role.VIEWER)).text("/console")
    assert "was yanked automatically" in text
    assert "is worse than" in text


async def test_home_names_20_releases_that_are_not_served_and_counts_the_others(house: House, people: People) -> None:
    for number in range(22):
        await house.publish(f"healthcare/adapter-{number:02}")
    holder, browser, text = house.runtime.catalog, await people.signed_in(), ""
    async with asyncio.timeout(30):
        while "and 2 more" not in text:  # The feed of changes may still read the last of them anew.
            known = holder.current.entries
            entries = {name: replace(entry, releases={}, broken={1: "no files"}) for name, entry in known.items()}
            holder.current = replace(holder.current, entries=entries)
            text = await browser.text("/console")
    assert text.count("is not served:") == 20


async def test_home_says_of_a_release_beyond_the_engines_room_that_it_is_loaded_when_it_is_asked(
    house: House, people: People
) -> None:
    await opened(house)
    browser = await people.signed_in()
    assert "loaded when it is asked" not in await browser.text("/console")
    assert house.runtime.engine.adapter_cache is not None
    house.runtime.engine.adapter_cache.evict(house.runtime.catalog.current.entries[NAME].releases[1].engine_name)
    assert "loaded when it is asked" in await browser.text("/console")


async def test_home_says_which_release_cannot_be_loaded(house: House, people: People) -> None:
    await opened(house)
    loaded = house.runtime.catalog.current.entries[NAME].releases[1]
    damage(house, 1)
    assert house.runtime.engine.adapter_cache is not None
    house.runtime.engine.adapter_cache.evict(loaded.engine_name)
    await house.ask(await house.tenant("other", "healthcare"))
    await until(lambda: house.runtime.engine.load_failure(loaded) is not None)
    assert f"{NAME}@1 is not served:" in await (await people.signed_in()).text("/console")


async def test_an_unknown_page_or_method_is_a_page_that_says_so(house: House, people: People) -> None:
    browser = await people.signed_in()
    answer = await browser.get("/console/nothing/here")
    assert (answer.status_code, "There is no such page" in answer.text) == (404, True)
    assert (await browser.send("/console/nothing")).status_code == 404
    for method in ("PUT", "DELETE", "PATCH"):
        answer = await browser.client.request(method, "/console/log", headers=SAME)
        assert (answer.status_code, "GET" in answer.headers["allow"]) == (405, True), method
        assert "That page does not take this" in answer.text
        check_headers(answer)
    for client in (browser, people.browser()):
        answer = await client.get("/console/adapters/healthcare/triage/releases/x")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert (await client.client.head("/console/nothing")).headers["content-type"].startswith("text/")
    assert (await browser.get("/consoles")).headers["content-type"] == "application/json"


async def test_the_log_is_paged_and_can_be_filtered(house: House, people: People) -> None:
    await opened(house)
    for number in range(55):
        await house.publish("legal/clause", TRIAGE + f"\n# {number}", seed=number, live=False)
    browser = await people.signed_in()
    text = await browser.text("/console/log")
    assert text.count("<tr>") == 51
    (link,) = [part.split('"')[0] for part in text.split('href="') if "after=" in part.split('"')[0]]
    assert NAME in await browser.text(link)
    filtered = await browser.text(f"/console/log?adapter={NAME}")
    assert "legal/clause" not in filtered
    assert (await browser.get("/console/log?adapter=nonsense")).status_code == 400


async def test_a_fault_of_the_gateways_own_is_a_page_without_its_details(house: House, people: People) -> None:
    await opened(house)
    browser = await people.signed_in()
    with house.runtime.registry.database().write() as session:
        session.connection().execute(sql("UPDATE event SET details = 'a detail'"))  # No JSON.
    answer = await browser.get("/console/log")
    assert (answer.status_code, "a detail" in answer.text, "its log says why" in answer.text) == (500, False, True)
    check_headers(answer)
