"""Bodies and parameters that are nearly what a route takes: refused, and not taken for something else."""

from __future__ import annotations

from typing import Any

from tests.gateway.conftest import House, bearer


async def test_a_dry_run_that_is_no_boolean_deletes_nothing(house: House, clinic: str) -> None:
    for path, body in (
        ("/api/v1/gc", {"keep": 0}),
        ("/api/v1/reviews/purge", {"tenant": "clinic"}),
        ("/api/v1/adapters/healthcare/triage/promote", {"release": 1}),
    ):
        values: tuple[object, ...] = (0, 1, "true", "false", None, "", [], 0.0)
        for value in values:
            answer = await house.admin("POST", path, json={**body, "dry_run": value})
            assert answer.status_code == 400, (path, value)
            assert "dry_run" in answer.json()["detail"]
            assert "bool" in answer.json()["detail"]


async def test_a_value_of_another_type_is_not_turned_into_the_right_one(house: House) -> None:
    promote, tenants = "/api/v1/adapters/healthcare/triage/promote", "/api/v1/tenants"
    hook = {"name": "a", "url": "https://x", "domains": ["x"]}
    cases: list[tuple[str, dict[str, Any], str]] = [
        (promote, {"release": "1"}, "release"),
        (promote, {"release": 1.5}, "release"),
        (promote, {"release": True}, "release"),
        (tenants, {"name": 5, "domains": ["x"]}, "name"),
        (tenants, {"name": "a", "domains": "x"}, "domains"),
        (tenants, {"name": "a", "domains": ["x"], "expires_in": "60"}, "expires_in"),
        ("/api/v1/webhooks", {**hook, "allow_private": 1}, "allow_private"),
    ]
    for path, body, field in cases:
        answer = await house.admin("POST", path, json=body)
        assert answer.status_code == 400, answer.text
        assert field in answer.json()["detail"]
        assert "Expected" in answer.json()["detail"]


async def test_a_body_that_is_no_object_is_refused(house: House) -> None:
    headers = {**bearer(house.admin_key), "Content-Type": "application/json"}
    for body in (b"", b"[]", b"null", b'"x"', b"{", b"[" * 5000):
        answer = await house.client.post("/api/v1/gc", headers=headers, content=body)
        assert answer.status_code == 400, answer.text


async def test_a_parameter_that_is_not_written_as_documented_is_refused(house: House) -> None:
    for query, sentence in (
        ("newest_first=0", "newest_first has to be true or false"),
        ("newest_first=True", "true or false"),
        ("newest_first=", "true or false"),
        ("limit=1.0", "limit has to be a whole number"),
        ("limit=+5", "a whole number"),
        ("limit=1_0", "a whole number"),
        ("limit=%D9%A1", "a whole number"),
        ("limit= 5", "a whole number"),
        ("limit=1&limit=2", "sent twice"),
        ("newest_frist=true", "there is no parameter 'newest_frist'; there are adapter, after, limit, newest_first"),
    ):
        answer = await house.admin("GET", f"/api/v1/events?{query}")
        assert answer.status_code == 400, answer.text
        assert sentence in answer.json()["detail"]


async def test_parameters_as_they_are_documented_are_taken(house: House) -> None:
    answer = await house.admin("GET", "/api/v1/events?newest_first=true&limit=5")
    assert answer.status_code == 200, answer.text


async def test_a_route_without_parameters_says_so(house: House) -> None:
    answer = await house.admin("GET", "/api/v1/status?verbose=true")
    assert answer.json()["detail"] == "there is no parameter 'verbose'; there are none"


async def test_a_time_that_is_no_number_is_refused(house: House, clinic: str) -> None:
    for wait in ("nan", "inf", "1e999999", "1,5", "0x1"):
        answer = await house.client.get(f"/v1/reviews/1?wait={wait}", headers=bearer(clinic))
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "wait")


async def test_parameters_of_other_servers_are_passed_over_under_v1(house: House, clinic: str) -> None:
    answer = await house.client.get("/v1/models?api-version=1", headers=bearer(clinic))
    assert answer.status_code == 200, answer.text


async def test_a_number_in_a_path_is_written_in_one_way(house: House, clinic: str) -> None:
    for number in ("01", "1_0", "%D9%A1", "+1"):
        answer = await house.admin("GET", f"/api/v1/adapters/healthcare/triage/releases/{number}/evidence")
        assert 400 <= answer.status_code < 500, answer.text
