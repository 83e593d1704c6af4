"""One key's waits and streams leave room for everybody else's requests, for health and for the admin."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from tests.fakes.vllm import FakeVLLM, Reply
from tests.gateway.conftest import FREE_TEXT, House, bearer, running_house, until
from tests.gateway.server.workers.conftest import opened, running_pool
from tests.support.plain_http import plain_client

At = tuple[FakeVLLM, str]
HOLDING = """
fallback: [{name: review, config: {content: a person looks at it}}]
validators: [{name: labels}]
output: {labels: [symptoms]}
"""
ASKED = {"messages": [{"role": "user", "content": "hello"}]}


def stuck(house: House, key: str, written: str = "Bearer {}") -> asyncio.Task[httpx.Response]:
    """A request that waits for the engine, on a connection of its own."""
    return asyncio.create_task(_ask(house, written.format(key)))


async def _ask(house: House, authorization: str) -> httpx.Response:
    async with plain_client(house.url, timeout=60) as client:
        headers = {"authorization": authorization}
        return await client.post("/v1/chat/completions", headers=headers, json=ASKED)


async def test_a_key_that_holds_as_many_requests_as_may_is_refused_one_more_and_others_are_not(
    tmp_path: Path, engine_at: At
) -> None:
    async with running_house(tmp_path, *engine_at, tenant_connections=3) as house:
        await house.publish("healthcare/triage", FREE_TEXT)
        clinic, other = await house.tenant("clinic", "healthcare"), await house.tenant("other", "healthcare")
        house.engine.gate.clear()
        # However the key is written, it is the same one.
        held = [stuck(house, clinic, written) for written in ("Bearer {}", "bearer  {}", "BEARER   {}")]
        await until(lambda: len(house.engine.requests) == 3)
        for path in ("/v1/models", "/v1/usage", "/v1/reviews/x?wait=60"):
            refused = await house.client.get(path, headers=bearer(clinic))
            assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_requests_of_key")
            assert "wait for one to end" in refused.json()["error"]["message"]
            assert int(refused.headers["retry-after"]) > 0
        assert (await house.ask(clinic)).status_code == 429
        assert (await house.client.get("/v1/models", headers=bearer(other))).status_code == 200
        assert (await house.admin("GET", "/api/v1/tenants")).status_code == 200
        house.engine.gate.set()
        assert {(await each).status_code for each in held} == {200}
        assert (await house.ask(clinic)).status_code == 200


async def test_waits_for_a_review_count(tmp_path: Path, engine_at: At) -> None:
    async with running_house(tmp_path, *engine_at, tenant_connections=2) as house, AsyncExitStack() as clients:
        await house.publish("healthcare/triage", HOLDING)
        key = await house.tenant("clinic", "healthcare")
        house.engine.reply = lambda body: Reply("none of them")
        review = (await house.ask(key)).headers["x-postil-review"]
        path = f"/v1/reviews/{review}"
        waits = []
        for _ in range(3):
            client = await clients.enter_async_context(plain_client(house.url, timeout=90))
            waits.append(asyncio.create_task(client.get(path, params={"wait": 60}, headers=bearer(key))))
        refused, held = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED, timeout=30)
        assert ([each.result().status_code for each in refused], len(held)) == ([429], 2)
        approved = await house.admin("POST", f"/api/v1/reviews/{review}/approve", json={})
        assert approved.status_code == 200
        assert [(await each).status_code for each in held] == [200, 200]
        assert (await house.client.get(path, headers=bearer(key))).status_code == 200


async def test_a_tenant_may_have_a_bound_of_its_own_from_the_next_request_on(tmp_path: Path, engine_at: At) -> None:
    async with running_house(tmp_path, *engine_at, tenant_connections=1) as house:
        await house.publish("healthcare/triage", FREE_TEXT)
        key = await house.tenant("clinic", "healthcare")
        house.engine.gate.clear()
        first = stuck(house, key)
        await until(lambda: len(house.engine.requests) == 1)
        assert (await house.client.get("/v1/models", headers=bearer(key))).status_code == 429
        put = await house.admin("PUT", "/api/v1/tenants/clinic/limits", json={"connections": 2})
        assert put.json()["connections"] == 2
        assert (await house.client.get("/v1/models", headers=bearer(key))).status_code == 200
        house.engine.gate.set()
        assert (await first).status_code == 200


async def test_a_tenants_own_bound_is_for_all_of_its_keys_together(tmp_path: Path, engine_at: At) -> None:
    async with running_house(tmp_path, *engine_at) as house:
        await house.publish("healthcare/triage", FREE_TEXT)
        first, other = await house.tenant("clinic", "healthcare"), await house.tenant("other", "healthcare")
        made = await house.admin("POST", "/api/v1/keys", json={"owner": "clinic", "role": "tenant"})
        second = made.json()["key"]
        await house.admin("PUT", "/api/v1/tenants/clinic/limits", json={"connections": 2})
        house.engine.gate.clear()
        held = [stuck(house, first), stuck(house, second)]
        await until(lambda: len(house.engine.requests) == 2)
        for key in (first, second):
            refused = await house.client.get("/v1/models", headers=bearer(key))
            assert refused.status_code == 429
            assert "2 requests of this tenant" in refused.json()["error"]["message"]
        assert (await house.client.get("/v1/models", headers=bearer(other))).status_code == 200
        house.engine.gate.set()
        assert {(await each).status_code for each in held} == {200}
        assert (await house.client.get("/v1/models", headers=bearer(second))).status_code == 200


@pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer nobody's", "Basic x"])
async def test_a_key_that_nobody_has_is_refused_as_such(house: House, authorization: str | None) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    assert (await house.client.get("/v1/models", headers=headers)).status_code == 401


async def test_it_holds_in_each_worker(tmp_path: Path, engine_at: At) -> None:
    async with running_pool(tmp_path, *engine_at, tenant_connections=2) as house:
        key = await opened(house)
        house.engine.gate.clear()
        # Two workers: five requests are more than both take of one key, and the system says which worker gets which.
        asked = [stuck(house, key) for _ in range(5)]
        await until(lambda: len(house.engine.requests) + sum(each.done() for each in asked) == 5)
        refused = [each for each in asked if each.done()]
        held = [each for each in asked if not each.done()]
        assert len(held) in (2, 3, 4)
        assert {each.result().status_code for each in refused} == {429}
        assert (await house.client.get("/health/live")).status_code == 200
        house.engine.gate.set()
        assert {(await each).status_code for each in held} == {200}
