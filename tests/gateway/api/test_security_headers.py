"""The admin API against pages of other sites, and what stands on each of its answers."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.gateway.conftest import House, bearer

TENANT = {"name": "clinic", "domains": ["healthcare"]}


async def post(house: House, headers: dict[str, str], **body: Any) -> Any:
    """Try to add a tenant with the admin key."""
    return await house.client.post("/api/v1/tenants", headers=bearer(house.admin_key) | headers, **body)


async def test_every_answer_has_the_security_headers_and_none_lets_other_origins_in(house: House) -> None:
    headers = bearer(house.admin_key) | {"Origin": house.url, "Access-Control-Request-Method": "GET"}
    for path in (
        "/api/v1/status",
        "/api/v1/nothing",
        "/api/v1/docs/openapi.json",
        "/api/v1/tenants",
        "/health/live",
        "/",
    ):
        for method in ("GET", "PATCH", "OPTIONS"):
            check_headers(await house.client.request(method, path, headers=headers))


def check_headers(answer: httpx.Response) -> None:
    """All of them, and no leave for others."""
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert "set-cookie" not in answer.headers


async def test_a_page_of_another_site_changes_nothing_even_with_the_key(house: House) -> None:
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
    ):
        answer = await post(house, headers, json=TENANT)
        assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json"), headers
        assert not house.runtime.callers.current.knows("clinic"), headers


async def test_a_page_of_its_own_may(house: House) -> None:
    answer = await post(house, {"Sec-Fetch-Site": "same-origin", "Origin": house.url}, json=TENANT)
    assert answer.status_code == 201


async def test_a_page_of_its_own_may_behind_a_proxy_that_changes_the_host(house: House) -> None:
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": "https://gateway.example:8443", "Host": "gateway.example"}
    assert (await post(house, headers, json=TENANT)).status_code == 201


async def test_what_a_form_could_send_is_no_json(house: House) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        answer = await post(house, {"Content-Type": kind}, content=b'{"name":"clinic","domains":["healthcare"]}')
        assert (answer.status_code, answer.json()["status"]) == (415, 415), kind
        assert not house.runtime.callers.current.knows("clinic"), kind


async def test_a_key_travels_in_its_header_only(house: House) -> None:
    for place in ("key", "api_key", "access_token"):
        assert (await house.client.get(f"/api/v1/status?{place}={house.admin_key}")).status_code == 401, place
    cookies = {"Cookie": f"key={house.admin_key}; authorization=Bearer {house.admin_key}"}
    assert (await house.client.get("/api/v1/status", headers=cookies)).status_code == 401


async def test_an_unknown_path_is_told_in_the_shape_of_its_api(house: House) -> None:
    for path, shape in (("/v1/nothing", "error"), ("/api/v1/nothing", "detail"), ("/nothing", "error")):
        answer = await house.client.post(path, headers=bearer(house.admin_key), json={})
        assert (answer.status_code, shape in answer.json()) == (404, True), path


async def test_a_wrong_method_is_told_in_the_shape_of_its_api(house: House) -> None:
    for path, shape in (("/v1/models", "error"), ("/v1/chat/completions", "error"), ("/api/v1/status", "detail")):
        answer = await house.client.request("PUT", path, headers=bearer(house.admin_key), json={})
        assert (answer.status_code, shape in answer.json()) == (405, True), path


async def test_a_body_that_is_not_what_was_asked_for_is_refused(house: House) -> None:
    for raw in (
        b"{",
        b'{"name":"\\ud800","domains":[]}',
        b'{"name":"\xff","domains":[]}',
        b'{"name":NaN}',
        b"[" * 100_000,
        b'{"name":"a","domains":[],"more":1}',
        b'{"name":' + b"9" * 5000 + b"}",
        b'{"name":"a\\u0000b","domains":["x"]}',
    ):
        answer = await post(house, {"Content-Type": "application/json"}, content=raw)
        assert answer.status_code == 400, (raw[:80], answer.text)
        assert answer.headers["content-type"] == "application/problem+json", raw[:80]


@pytest.mark.parametrize(
    "path",
    [f"/api/v1/adapters/a/b/releases/{10**30}/artifact", "/api/v1/reviews/%00", "/api/v1/reviews?limit=" + "9" * 30],
)
async def test_numbers_that_no_database_holds_are_refused(house: House, path: str) -> None:
    answer = await house.admin("GET", path)
    assert 400 <= answer.status_code < 500 or answer.json() == [], answer.text
