"""Sessions of the console: how they begin, how they end, and what a cookie is good for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from postil.registry.accounts import keys
from postil.registry.accounts.keys import Role
from tests.fakes.vllm import FakeVLLM
from tests.gateway.api.console.conftest import SAME, People
from tests.gateway.conftest import House, bearer, running_house
from tests.gateway.tenancy.test_roles import staff


def cookie_of(answer: httpx.Response) -> str:
    """The name, value and attributes of the cookie that is set."""
    return answer.headers["set-cookie"]


async def test_nobody_sees_a_page_without_a_session_and_the_login_leads_back(house: House, people: People) -> None:
    browser = people.browser()
    for path in ("/console", "/console/log", "/console/adapters/healthcare/triage", "/console/nothing"):
        answer = await browser.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/console/login?next={path}"), path
    answer = await browser.login(house.admin_key, next="/console/log")
    answer = await browser.get(answer.headers["location"])
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/log")
    assert "<h1>Log</h1>" in await browser.text("/console/log")


async def test_the_cookie_is_a_session_that_scripts_and_other_sites_do_not_get(house: House, people: People) -> None:
    cookie = cookie_of(await people.browser().login(house.admin_key))
    name, _, rest = cookie.partition("=")
    assert name == "postil"  # http://127.0.0.1: browsers keep no secure cookie there.
    assert rest.split("; ")[1:] == ["Path=/", "HttpOnly", "SameSite=Strict"]
    assert len(rest.split(";")[0]) == 43
    assert house.admin_key not in cookie


async def test_anywhere_else_the_cookie_is_secure(house: House, people: People) -> None:
    answer = await people.browser().client.post(
        "/console/login", data={"key": house.admin_key}, headers={**SAME, "Host": "gateway.example"}
    )
    assert cookie_of(answer).startswith("__Host-postil=")
    assert cookie_of(answer).endswith("; Path=/; HttpOnly; SameSite=Strict; Secure")


async def test_behind_a_proxy_with_tls_that_changes_the_host_the_cookie_is_secure(house: House, people: People) -> None:
    headers = {**SAME, "Origin": "https://127.0.0.1"}
    answer = await people.browser().send_as(headers, "/console/login", key=house.admin_key)
    name, _, value = cookie_of(answer).partition(";")[0].partition("=")
    assert name == "__Host-postil"
    cookies = {"Cookie": f'odd={{"a": 1}}; broken; {name}={value}'}
    assert (await house.client.get("/console", headers=cookies)).status_code == 200


async def test_the_plain_cookie_counts_on_this_machine_alone(house: House, people: People) -> None:
    browser = await people.signed_in()
    cookie = "; ".join(f"{name}={value}" for name, value in browser.client.cookies.items())
    for host, status in (("127.0.0.1:8080", 200), ("localhost", 200), ("[::1]:8080", 200), ("gateway.example", 303)):
        answer = await house.client.get("/console", headers={"Cookie": cookie, "Host": host})
        assert answer.status_code == status, host


@pytest.mark.parametrize("header", ["Forwarded", "Via", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Proto"])
async def test_behind_a_proxy_the_plain_cookie_neither_counts_nor_is_given(
    house: House, people: People, header: str
) -> None:
    browser = await people.signed_in()
    assert (await browser.get("/console", headers={header: "x"})).status_code == 303
    answer = await people.browser().send_as({**SAME, header: "x"}, "/console/login", key=house.admin_key)
    assert cookie_of(answer).startswith("__Host-postil=")


async def test_a_secure_cookie_of_no_session_does_not_hide_the_plain_one(house: House, people: People) -> None:
    browser = await people.signed_in()
    cookies = "; ".join(["__Host-postil=old", *(f"{name}={value}" for name, value in browser.client.cookies.items())])
    assert (await house.client.get("/console", headers={"Cookie": cookies})).status_code == 200


async def test_nobody_signs_in_by_a_name_of_the_gateways_own(house: House, people: People) -> None:
    for name in ("postil", "Postil", "po\u200bstil", "nobody"):
        answer = await people.browser().login(house.admin_key, person=name)
        assert (answer.status_code, "set-cookie" in answer.headers) == (400, False), name


@pytest.mark.parametrize("role", [Role.TENANT, Role.METRICS])
async def test_a_key_that_opens_no_page_signs_nobody_in(house: House, people: People, role: Role) -> None:
    await house.publish("healthcare/triage")
    key = await house.tenant("clinic", "healthcare") if role is Role.TENANT else (await staff(house, role)).key
    answer = await people.browser().login(key)
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)
    assert "opens no page" in answer.text


async def test_a_wrong_key_gets_the_form_again_and_is_counted(house: House, people: People) -> None:
    browser = people.browser()
    for key in ("", "postil_none_none", "psk-no"):
        answer = await browser.login(key)
        assert (answer.status_code, "set-cookie" in answer.headers) == (401, False), key
        assert 'name="key"' in answer.text
        assert not key or key not in answer.text
    await house.runtime.denied_attempts.flush()
    rows = (await house.admin("GET", "/api/v1/denied-attempts")).json()["data"]
    assert ("POST /console/login", 401) in {(row["route"], row["status"]) for row in rows}


async def test_an_address_that_fails_too_often_has_to_wait_but_a_right_key_gets_in(
    house: House, people: People
) -> None:
    browser = people.browser()
    for _ in range(10):
        assert (await browser.login("psk-no")).status_code == 401
    assert (await browser.login("psk-no")).status_code == 429
    assert (await browser.login(house.admin_key)).status_code == 303
    assert (await people.browser().login("psk-no")).status_code == 429


async def test_who_signs_out_ends_the_session_at_the_gateway(house: House, people: People) -> None:
    browser = await people.signed_in()
    kept = dict(browser.client.cookies)
    answer = await browser.send("/console/logout")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/login")
    assert "Max-Age=0" in cookie_of(answer)
    browser.client.cookies.update(kept)
    assert (await browser.get("/console")).status_code == 303


async def test_a_login_makes_another_session_and_ends_the_one_before(house: House, people: People) -> None:
    browser = await people.signed_in()
    before = dict(browser.client.cookies)
    await browser.login(house.admin_key)
    assert dict(browser.client.cookies) != before
    browser.client.cookies.update(before)
    assert (await browser.get("/console")).status_code == 303


async def test_a_session_ends_when_its_key_is_revoked(house: House, people: People) -> None:
    browser = await people.signed_in(Role.VIEWER)
    assert (await browser.get("/console")).status_code == 200
    (key,) = [row for row in (await house.admin("GET", "/api/v1/keys")).json()["data"] if row["owner"] == "ann"]
    await house.admin("DELETE", f"/api/v1/keys/{key['id']}")
    assert (await browser.get("/console")).status_code == 303
    answer = await browser.send("/console/reviews/abcd/approve")
    assert (answer.status_code, "sign in" in answer.text.lower()) == (401, True)


async def test_a_key_that_another_gateway_revokes_ends_its_sessions_within_a_quarter_of_a_second(
    house: House, people: People
) -> None:
    browser = await people.signed_in(Role.VIEWER)
    (row,) = [row for row in (await house.admin("GET", "/api/v1/keys")).json()["data"] if row["owner"] == "ann"]
    await asyncio.to_thread(keys.revoke_key, house.runtime.registry.database(), row["id"], actor="another gateway")
    async with asyncio.timeout(5):
        while (await browser.get("/console")).status_code == 200:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


async def test_the_cookie_opens_neither_api(house: House, people: People) -> None:
    browser = await people.signed_in()
    await house.publish("healthcare/triage")
    assert (await browser.get("/api/v1/status")).status_code == 401
    assert (await browser.client.post("/api/v1/gc", json={}, headers=SAME)).status_code == 401
    assert (await browser.get("/v1/models")).status_code == 401
    body = {"messages": [{"role": "user", "content": "hello"}]}
    assert (await browser.client.post("/v1/chat/completions", json=body, headers=SAME)).status_code == 401


async def test_a_key_in_the_header_opens_no_page(house: House, people: People) -> None:
    assert (await house.client.get("/console", headers=bearer(house.admin_key))).status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
async def test_a_form_of_another_origin_is_refused_with_the_cookie_and_at_the_login(
    house: House, people: People, headers: dict[str, str]
) -> None:
    browser = await people.signed_in()
    for path in ("/console/login", "/console/logout", "/console/adapters/healthcare/triage/promote"):
        assert (await browser.send_as(headers, path, key=house.admin_key)).status_code == 403, path
    assert (await browser.get("/console")).status_code == 200


async def test_a_browser_without_fetch_metadata_is_known_by_its_origin(house: House, people: People) -> None:
    browser = people.browser()
    answer = await browser.send_as({"Origin": house.url}, "/console/login", key=house.admin_key)
    assert answer.status_code == 303


@pytest.mark.parametrize(
    "then",
    [
        "https://elsewhere.example",
        "//elsewhere.example",
        "/console//elsewhere",
        "/console/../api/v1",
        "/console/./log",
        "/console/..",
        "/api/v1",
        "/console/login",
        "x",
    ],
)
async def test_a_login_leads_nowhere_else(house: House, people: People, then: str) -> None:
    answer = await people.browser().login(house.admin_key, next=then)
    assert answer.headers["location"] == "/console/login?kept=1&next=/console"


async def test_who_shares_the_key_file_acts_in_the_name_given_at_the_login_and_nobody_else_does(
    house: House, people: People
) -> None:
    browser = people.browser()
    await browser.login(house.admin_key, person="Mona <b>")
    assert "Mona &lt;b&gt;" in await browser.text("/console")
    ann = people.browser()
    await ann.login((await staff(house, Role.VIEWER)).key, person="somebody else")
    text = await ann.text("/console")
    assert "ann" in text
    assert "somebody else" not in text


async def test_a_browser_that_keeps_no_cookie_is_told_why_it_is_not_signed_in(house: House, people: People) -> None:
    answer = await people.browser().get("/console/login?kept=1")
    assert (answer.status_code, "kept no cookie" in answer.text) == (200, True)


async def test_without_the_setting_there_is_no_console(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> None:
    async with running_house(tmp_path, *engine_at, console=False) as house:
        for path in ("/console", "/console/login"):
            assert (await house.client.get(path)).status_code == 404
