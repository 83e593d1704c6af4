"""Methods, keys and kinds of bodies that a route does not take: what the answer has to say (RFC 9110)."""

from __future__ import annotations

import json

import pytest

from tests.gateway.conftest import House, bearer

GETS = ["/health/live", "/health/ready", "/v1/models", "/v1/models/healthcare/triage", "/v1/usage", "/api/v1/status"]
ASKED = {"messages": [{"role": "user", "content": "x"}]}


@pytest.mark.parametrize(
    ("path", "method", "allowed"),
    [
        *((path, "DELETE", {"GET", "HEAD", "OPTIONS"}) for path in GETS),
        ("/v1/chat/completions", "GET", {"POST"}),
        ("/v1/chat/completions", "HEAD", {"POST"}),
        ("/v1/completions", "PUT", {"POST"}),
        ("/api/v1/tenants", "PATCH", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("/api/v1/gc", "HEAD", {"OPTIONS", "POST"}),
    ],
)
async def test_a_wrong_method_is_answered_with_those_that_are_taken(
    house: House, path: str, method: str, allowed: set[str]
) -> None:
    response = await house.client.request(method, path, headers=bearer(house.admin_key))
    assert response.status_code == 405
    assert {*response.headers["allow"].split(", ")} == allowed


@pytest.mark.parametrize("path", ["/v1/models", "/v1/chat/completions", "/v1/usage", "/v1/reviews/1", "/api/v1/status"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nobody"}, {"Authorization": "Basic YTpi"}])
async def test_who_has_no_key_is_told_how_one_is_sent(house: House, path: str, headers: dict[str, str]) -> None:
    method = "POST" if "completions" in path else "GET"
    response = await house.client.request(method, path, headers=headers, json=ASKED if method == "POST" else None)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", GETS)
async def test_a_head_is_as_its_get(house: House, clinic: str, path: str) -> None:
    key = house.admin_key if path.startswith("/api") else clinic
    whole = await house.client.get(path, headers=bearer(key))
    head = await house.client.head(path, headers=bearer(key))
    assert (head.status_code, head.content) == (whole.status_code, b"")
    for name in ("content-type", "content-length"):
        assert head.headers.get(name) == whole.headers.get(name)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/api/v1/tenants"])
@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "text/plain", "text/plain;charset=utf-8", "multipart/form-data", "x"]
)
async def test_a_body_that_says_it_is_no_json_is_not_taken_for_it(
    house: House, clinic: str, path: str, kind: str
) -> None:
    key = house.admin_key if path.startswith("/api") else clinic
    headers = {**bearer(key), "Content-Type": kind}
    response = await house.client.post(path, headers=headers, content=json.dumps(ASKED))
    assert response.status_code == 415, response.text
    assert "application/json" in response.text
    assert house.engine.requests == []


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON;x=y", None])
async def test_json_is_taken_however_it_is_written(house: House, clinic: str, kind: str | None) -> None:
    headers = bearer(clinic) | ({"Content-Type": kind} if kind else {})
    response = await house.client.post("/v1/chat/completions", headers=headers, content=json.dumps(ASKED))
    assert response.status_code == 200, response.text


async def test_a_body_to_a_route_under_v1_that_takes_none_is_json_too(house: House, clinic: str) -> None:
    headers = {**bearer(clinic), "Content-Type": "text/plain"}
    assert (await house.client.post("/v1/models", headers=headers, content="x")).status_code == 415
