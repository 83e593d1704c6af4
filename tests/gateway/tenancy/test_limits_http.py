"""Limits as a client meets them: over real HTTP, a tenant by its key."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import openai
import pytest

from tests.gateway.conftest import FREE_TEXT, House, bearer, until


async def limited(house: House, **limits: int) -> str:
    """A tenant with limits that may ask ``legal/notes``; its key."""
    if "legal/notes" not in house.runtime.catalog.current.entries:
        await house.publish("legal/notes", FREE_TEXT)
    key = await house.tenant("firm", "legal")
    response = await house.admin("PUT", "/api/v1/tenants/firm/limits", json=limits)
    assert response.status_code == 200, response.text
    return key


def rates(response: httpx.Response) -> dict[str, str]:
    """The headers that tell of limits."""
    return {name: value for name, value in response.headers.items() if name.startswith("x-ratelimit")}


async def test_an_answer_tells_what_is_left_and_what_is_too_much_is_refused(house: House) -> None:
    key = await limited(house, requests_per_minute=2, tokens_per_minute=10_000)
    first, second, third = [await house.ask(key) for _ in range(3)]
    assert [answer.status_code for answer in (first, second, third)] == [200, 200, 429]
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert [answer.headers["x-ratelimit-remaining-requests"] for answer in (first, second, third)] == ["1", "0", "0"]
    used = first.json()["usage"]["total_tokens"]
    assert second.headers["x-ratelimit-remaining-tokens"] == str(10_000 - used)
    assert third.json()["error"]["code"] == "rate_limit_exceeded"
    assert third.json()["error"]["type"] == "requests"
    assert 0 < int(third.headers["retry-after"]) <= 121
    assert len(house.engine.requests) == 2


async def test_openais_client_takes_it_for_what_it_is(house: House) -> None:
    key = await limited(house, requests_per_minute=1)
    async with openai.AsyncOpenAI(base_url=f"{house.url}/v1", api_key=key, max_retries=0) as client:
        asked: Any = {"model": "legal", "messages": [{"role": "user", "content": "hello"}]}
        await client.chat.completions.create(**asked)
        with pytest.raises(openai.RateLimitError, match="1 requests per minute are allowed"):
            await client.chat.completions.create(**asked)


async def test_a_stream_tells_it_too(house: House) -> None:
    key = await limited(house, requests_per_minute=5)
    answer = await house.ask(key, stream=True)
    assert rates(answer)["x-ratelimit-remaining-requests"] == "4"


async def test_who_has_no_limits_hears_of_none(house: House, clinic: str) -> None:
    assert rates(await house.ask(clinic)) == {}
    assert rates(await house.ask(house.admin_key, model="base")) == {}


async def test_tokens_that_are_used_up_refuse_what_comes_after(house: House) -> None:
    key = await limited(house, tokens_per_day=1)
    assert (await house.ask(key, stream=True)).status_code == 200
    await until(lambda: len(house.engine.requests) == 1)
    answer = await house.ask(key)
    assert answer.status_code == 429
    assert answer.json()["error"]["type"] == "tokens"
    assert "tokens per day" in answer.json()["error"]["message"]


async def test_of_many_at_once_exactly_so_many_get_in(house: House) -> None:
    key = await limited(house, requests_per_minute=7)
    answers = await asyncio.gather(*(house.ask(key) for _ in range(30)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [429] * 23


async def test_so_many_at_a_time_and_each_place_is_free_again_however_a_request_ends(house: House) -> None:
    key = await limited(house, concurrent=2)
    house.engine.gate.clear()
    waiting = [asyncio.create_task(house.ask(key)) for _ in range(2)]
    await until(lambda: len(house.engine.requests) == 2)
    refused = await house.ask(key)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    waiting[0].cancel()
    await until(lambda: house.engine.cancelled == 1)
    house.engine.gate.set()
    assert (await waiting[1]).status_code == 200
    assert (await house.client.post("/v1/chat/completions", headers=bearer(key), content=b"{")).status_code == 400
    assert (await house.ask(key, model="nothing")).status_code == 404
    answers = [await house.ask(key) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200] * 4


async def test_limits_are_set_shown_and_in_the_log(house: House) -> None:
    await limited(house, requests_per_minute=60)
    shown = await house.admin("GET", "/api/v1/tenants/firm/limits")
    assert shown.json() == {
        "requests_per_minute": 60, "tokens_per_minute": None, "tokens_per_day": None, "concurrent": None,
        "connections": None, "sequences": None, "output_tokens": None, "schema_kib": None,
    }  # fmt: skip
    (tenant,) = (await house.admin("GET", "/api/v1/tenants")).json()["data"]
    assert tenant["limits"] == {"requests_per_minute": 60}
    events = (await house.admin("GET", "/api/v1/events")).json()["data"]
    assert (events[-1]["action"], events[-1]["subject"]) == ("tenant-limits", "firm")


@pytest.mark.parametrize("body", [{"requests_per_minute": 0}, {"concurrent": "many"}, {"images": 3}, []])
async def test_what_cannot_be_a_limit_is_refused(house: House, body: Any) -> None:
    await limited(house)
    assert (await house.admin("PUT", "/api/v1/tenants/firm/limits", json=body)).status_code == 400
    assert (await house.admin("PUT", "/api/v1/tenants/nobody/limits", json={})).status_code == 404


async def test_a_tenant_cannot_change_its_limits(house: House) -> None:
    key = await limited(house, requests_per_minute=1)
    answer = await house.client.put("/api/v1/tenants/firm/limits", headers=bearer(key), json={})
    assert answer.status_code == 403
