"""Methods, keys and kinds of bodies that a route does not take: what the answer has to say (RFC 9110)."""

from __future__ import annotations

import json

from tests.gateway.conftest import House, bearer

GETS = ["/health/live", "/health/ready", "/v1/models", "/v1/models/healthcare/triage", "/v1/usage", "/api/v1/status"]
ASKED = {"messages": [{"role": "user", "content": "x"}]}


async def test_a_wrong_method_is_answered_with_those_that_are_taken(house: House) -> None:
    for path, method, allowed in (
        *((path, "DELETE", {"GET", "HEAD", "OPTIONS"}) for path in GETS),
        ("/v1/chat/completions", "GET", {"POST"}),
        ("/v1/chat/completions", "HEAD", {"POST"}),
        ("/v1/completions", "PUT", {"POST"}),
        ("/api/v1/tenants", "PATCH", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("/api/v1/gc", "HEAD", {"OPTIONS", "POST"}),
    ):
        response = await house.client.request(method, path, headers=bearer(house.admin_key))
        assert response.status_code == 405, path
        assert {*response.headers["allow"].split(", ")} == allowed, path


async def test_who_has_no_key_is_told_how_one_is_sent(house: House) -> None:
    for path in ("/v1/models", "/v1/chat/completions", "/v1/usage", "/v1/reviews/1", "/api/v1/status"):
        for headers in ({}, {"Authorization": "Bearer nobody"}, {"Authorization": "Basic YTpi"}):
            body = ASKED if "completions" in path else None
            response = await house.client.request("POST" if body else "GET", path, headers=headers, json=body)
            assert response.status_code == 401, path
            assert response.headers["www-authenticate"] == "Bearer", path


async def test_a_head_is_as_its_get(house: House, clinic: str) -> None:
    for path in GETS:
        headers = bearer(house.admin_key if path.startswith("/api") else clinic)
        whole, head = await house.client.get(path, headers=headers), await house.client.head(path, headers=headers)
        assert (head.status_code, head.content) == (whole.status_code, b""), path
        for name in ("content-type", "content-length"):
            assert head.headers.get(name) == whole.headers.get(name), path


async def test_a_body_that_says_it_is_no_json_is_not_taken_for_it(house: House, clinic: str) -> None:
    for path in ("/v1/chat/completions", "/v1/completions", "/api/v1/tenants"):
        for kind in ("application/x-www-form-urlencoded", "text/plain;charset=utf-8", "multipart/form-data", "x"):
            headers = {**bearer(house.admin_key if path.startswith("/api") else clinic), "Content-Type": kind}
            response = await house.client.post(path, headers=headers, content=json.dumps(ASKED))
            assert response.status_code == 415, response.text
            assert "application/json" in response.text
    assert house.engine.requests == []


async def test_json_is_taken_however_it_is_written(house: House, clinic: str) -> None:
    for kind in ("application/json", "application/json; charset=utf-8", "Application/JSON;x=y", None):
        headers = bearer(clinic) | ({"Content-Type": kind} if kind else {})
        response = await house.client.post("/v1/chat/completions", headers=headers, content=json.dumps(ASKED))
        assert response.status_code == 200, response.text


async def test_a_body_to_a_route_under_v1_that_takes_none_is_json_too(house: House, clinic: str) -> None:
    headers = {**bearer(clinic), "Content-Type": "text/plain"}
    assert (await house.client.post("/v1/models", headers=headers, content="x")).status_code == 415
