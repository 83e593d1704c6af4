"""Texts that cost built-in checks much time, sent by a client or said by a model: everybody else goes on."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.adapters import write_adapter
from tests.fakes.vllm import FakeVLLM, Reply
from tests.gateway.conftest import House, bearer, running_house, until
from tests.support.plain_http import plain_client
from tests.support.streams import text_of

REGIONS = "[US, DE, FR, GB, IN, BR, JP, IT]"
CHECKED = """
input: [{name: emergency, config: {whole_conversation: true}}, {name: injection}]
fallback: [{name: fixed_answer, config: {content: Not checked., }, when: [emergency, injection]}]
"""
PRIVATE = f"validators: [{{name: pii, config: {{regions: {REGIONS}}}, on_fail: redact, deadline_ms: 9000}}]"
# At each place of the answer a match begins that is longer than the window, for each of the patterns.
HEAVY = ("a" * 4095 + "b") * 5
BLOCKER = json.dumps({"window": 4096, "patterns": ["a[^b]*b[^b]*b"] * 100})
BLOCKED = f"validators: [{{name: blocklist, config: {BLOCKER}, deadline_ms: 9000}}]"
FALLBACK = "fallback: [{name: fixed_answer, config: {content: Does not fit.}}]"
TOWER = f"validators: [{{name: json_schema, config: {{json_schema: %s}}}}]\n{FALLBACK}"
At = tuple[FakeVLLM, str]


@asynccontextmanager
async def healthy(house: House, seconds: float) -> AsyncIterator[None]:
    """Ask for the health all the time; none takes longer than so many seconds."""
    done = asyncio.Event()

    async def ask() -> float:
        longest = 0.0
        async with plain_client(house.url) as client:
            while not done.is_set():
                began = time.monotonic()
                assert (await client.get("/health/live")).status_code == 200
                longest = max(longest, time.monotonic() - began)
        return longest

    asking = asyncio.create_task(ask())
    try:
        yield
    finally:
        done.set()
        longest = await asking
    assert longest < seconds


async def longest_silence(house: House, work: Awaitable[httpx.Response]) -> httpx.Response:
    """The answer; while it is made, the gateway is never away for long."""
    async with healthy(house, 1.0):
        return await work


@pytest.mark.parametrize(("messages", "status"), [(63, 200), (75, 400)])
async def test_megabytes_that_grow_when_they_are_normalised_hold_up_nobody(
    house: House, messages: int, status: int
) -> None:
    await house.publish("healthcare/triage", CHECKED)
    key = await house.tenant("clinic", "healthcare")
    said = [{"role": "user", "content": "\ufdfa" * 33_000}] * messages
    answer = await longest_silence(house, house.ask(key, messages=said))
    assert answer.status_code == status
    assert ("Not checked." if status == 200 else "cannot fit the engine's context") in answer.text
    assert house.engine.requests == []


async def test_a_long_text_is_checked_in_a_process_and_found_out(house: House) -> None:
    await house.publish("healthcare/triage", CHECKED)
    key = await house.tenant("clinic", "healthcare")
    answer = await house.ask(key, "\u00e9 chest pain " * 400)
    assert answer.status_code == 200
    assert "emergency" in answer.headers["x-postil-notice"]
    assert len(house.runtime.plugin_host.check_pids) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_of_nearly_phone_numbers_is_judged_in_time_and_arrives_as_it_is(
    house: House, stream: bool
) -> None:
    await house.publish("healthcare/advice", PRIVATE)
    key = await house.tenant("clinic", "healthcare")
    house.engine.reply = lambda body: Reply("12 34 56 78 " * 400)
    answer = await longest_silence(house, house.ask(key, stream=stream))
    assert answer.status_code == 200
    assert "did not run" not in answer.text
    said = text_of(answer.text.splitlines()) if stream else answer.json()["choices"][0]["message"]["content"]
    assert said == "12 34 56 78 " * 400


async def test_an_answer_of_matches_without_end_holds_up_nobody_and_does_not_leave(
    tmp_path: Path, engine_at: At
) -> None:
    async with running_house(tmp_path, *engine_at, check_seconds=0.5) as house:
        await house.publish("healthcare/advice", f"{BLOCKED}\n{FALLBACK}".replace("9000", "500"))
        key = await house.tenant("clinic", "healthcare")
        house.engine.reply = lambda body: Reply(HEAVY)
        answer = await longest_silence(house, house.ask(key))
        assert answer.status_code == 200
        assert "aaaa" not in answer.text
        assert "did not run, took longer than 500 ms" in answer.headers["x-postil-fallback"]


async def test_a_schema_whose_alternatives_double_for_one_value_is_refused_at_publish(house: House) -> None:
    levels: dict[str, Any] = {"level0": {"type": "string"}}
    for number in range(40):
        levels[f"level{number + 1}"] = {"anyOf": [{"$ref": f"#/$defs/level{number}"}] * 2}
    policy = TOWER % json.dumps({"$ref": "#/$defs/level40", "$defs": levels})
    async with healthy(house, 1.0):
        answer = await house.upload("healthcare/tower", write_adapter(house.folder / "tower"), policy)
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("stream", [False, True])
async def test_a_schema_whose_work_doubles_with_each_level_of_an_answer_holds_up_nobody(
    tmp_path: Path, engine_at: At, stream: bool
) -> None:
    deeper = {"properties": {"a": {"$ref": "#/$defs/each"}}, "required": ["b"]}
    schema = {"$ref": "#/$defs/each", "$defs": {"each": {"anyOf": [deeper, {**deeper, "required": ["c"]}]}}}
    validator = json.dumps({"name": "json_schema", "config": {"json_schema": schema}})
    async with running_house(tmp_path, *engine_at, check_seconds=0.5) as house:
        await house.publish("healthcare/advice", f"validators: [{validator}]\n{FALLBACK}")
        key = await house.tenant("clinic", "healthcare")
        house.engine.reply = lambda body: Reply('{"a":' * 50 + "1" + "}" * 50)
        answer = await longest_silence(house, house.ask(key, stream=stream))
        assert "took longer than 500 ms" in answer.headers["x-postil-fallback"]


async def test_a_key_is_revoked_while_every_process_of_checks_is_busy(house: House) -> None:
    house.engine.reply = lambda body: Reply(HEAVY)
    keys: dict[str, str] = {}
    for domain in ("healthcare", "legal"):  # A domain gets two of the four processes, and a tenant one.
        await house.publish(f"{domain}/advice", f"{BLOCKED}\n{FALLBACK}")
        keys |= {f"{domain}-{number}": await house.tenant(f"{domain}-{number}", domain) for number in range(2)}
    asked = [asyncio.create_task(house.ask(key)) for key in keys.values()]
    await until(lambda: len(house.runtime.plugin_host.check_pids) == len(asked) == 4)
    owner, key = next(iter(keys.items()))
    listed = (await house.admin("GET", "/api/v1/keys", params={"owner": owner})).json()["data"]
    began = time.monotonic()
    revoked = await house.admin("DELETE", f"/api/v1/keys/{listed[0]['id']}", params={"reason": "stolen"})
    took = time.monotonic() - began
    assert (revoked.status_code, took < 1.0) == (200, True), revoked.text
    refused = await house.client.get("/v1/models", headers=bearer(key))
    assert refused.status_code == 401
    assert not any(each.done() for each in asked)
    for each in asked:
        each.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
