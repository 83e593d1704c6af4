"""What was used, as the engine counted it, whichever way an answer goes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from postil.registry.accounts.usage import report
from postil.registry.db.database import Database
from tests.fakes.vllm import FakeVLLM, Reply
from tests.gateway.conftest import FREE_TEXT, TRIAGE, House, bearer, running_house, until

SCANNED = "validators: [{name: blocklist, config: {phrases: [secret]}, on_fail: stop}]"
AGAIN = """
output: {labels: [symptoms, billing]}
validators: [{name: labels}]
fallback:
  - {name: ask_again, config: {instruction: Give a category.}}
  - {name: fixed_answer, config: {content: sorry}}
"""


async def used(house: House, **asked: str) -> dict[str, dict[str, Any]]:
    """The report, by what it is added up by."""
    response = await house.admin("GET", "/api/v1/usage", params=asked)
    assert response.status_code == 200, response.text
    by = asked.get("by", "tenant")
    return {entry.pop(by): entry for entry in response.json()["data"]}


def counts(requests: int, prompt: int, completion: int, uncounted: int = 0) -> dict[str, int]:
    """An entry of the report."""
    return {"requests": requests, "uncounted": uncounted, "prompt_tokens": prompt, "completion_tokens": completion}


@pytest.fixture
async def firm(house: House) -> str:
    """A release that nobody judges, and the key of a tenant that may ask it."""
    await house.publish("legal/notes", FREE_TEXT)
    house.engine.reply = lambda body: Reply("one two three")
    return await house.tenant("firm", "legal")


@pytest.mark.parametrize("options", [None, {"include_usage": True}, {"include_usage": False}, {}])
@pytest.mark.parametrize("model", ["legal", "base"])
async def test_a_stream_that_passes_through_is_counted_and_looks_like_the_engines_own(
    house: House, firm: str, options: dict[str, Any] | None, model: str
) -> None:
    body: dict[str, Any] = {} if options is None else {"stream_options": options}
    answer = await house.ask(firm, model=model, stream=True, **body)
    chunks = [json.loads(line[6:]) for line in answer.text.split("\n\n") if line and line != "data: [DONE]"]
    wanted = bool(options and options.get("include_usage"))
    assert answer.text.endswith("data: [DONE]\n\n")
    assert ["usage" in chunk for chunk in chunks] == [False] * 5 + [True] * wanted
    assert (await used(house, by="adapter")) == {"legal/notes" if model == "legal" else "base": counts(1, 3, 5)}


async def test_whole_answers_judged_streams_and_judged_answers_are_counted(house: House, firm: str) -> None:
    await house.ask(firm)
    await house.publish("legal/scanned", SCANNED)
    await house.ask(firm, model="legal/scanned")
    answer = await house.ask(firm, model="legal/scanned", stream=True)
    assert "usage" not in answer.text
    assert await used(house, by="release") == {"legal/notes@1": counts(1, 3, 5), "legal/scanned@1": counts(2, 6, 10)}


async def test_a_stream_that_is_cut_off_is_counted_up_to_there(house: House, firm: str) -> None:
    await house.publish("legal/scanned", SCANNED)
    house.engine.reply = lambda body: Reply(tokens=["a ", "secret", " b"] + [" c"] * 500)
    answer = await house.ask(firm, model="legal/scanned", stream=True)
    assert "content_filter" in answer.text
    entry = (await used(house))["firm"]
    assert (entry["requests"], entry["uncounted"], entry["prompt_tokens"]) == (1, 0, 3)
    assert 2 <= entry["completion_tokens"] < 503


async def test_a_client_that_leaves_pays_for_what_came(house: House, firm: str) -> None:
    house.engine.pace_seconds = 0.01
    house.engine.reply = lambda body: Reply(tokens=["x"] * 1000)
    body = {"messages": [{"role": "user", "content": "hi"}], "stream": True}
    async with house.client.stream("POST", "/v1/chat/completions", headers=bearer(firm), json=body) as answer:
        seen = 0
        async for line in answer.aiter_lines():
            seen += line.startswith("data:")
            if seen == 5:
                break
    await until(lambda: house.runtime.traffic.in_flight == 0)
    entry = (await used(house))["firm"]
    assert (entry["requests"], entry["uncounted"], entry["prompt_tokens"]) == (1, 0, 3)
    assert 5 <= entry["completion_tokens"] < 1000


async def test_one_that_leaves_before_the_engine_has_said_anything_is_named(house: House, firm: str) -> None:
    house.engine.gate.clear()
    asking = asyncio.create_task(house.ask(firm))
    await until(lambda: len(house.engine.requests) == 1)
    asking.cancel()
    await until(lambda: house.runtime.traffic.in_flight == 0)
    house.engine.gate.set()
    assert await used(house) == {"firm": counts(1, 0, 0, uncounted=1)}


async def test_what_the_engine_refused_counts_for_nothing(house: House, firm: str) -> None:
    assert (await house.ask(firm, messages=3)).status_code == 400
    assert (await house.ask(firm, stream=True, messages=3)).status_code == 400
    assert (await house.ask(firm, stream=True, stream_options={"include_usage": "no"})).status_code == 400
    assert await used(house) == {}


async def test_what_a_policy_asks_again_stands_beside_the_answers(house: House) -> None:
    await house.publish("healthcare/triage", AGAIN)
    key = await house.tenant("clinic", "healthcare")
    answers = iter(["nonsense", '{"category": "billing"}'])
    house.engine.reply = lambda body: Reply(next(answers))
    assert "billing" in (await house.ask(key)).text
    entry = (await used(house))["clinic"]
    retry = entry.pop("retry")
    assert (entry["requests"], retry["requests"]) == (1, 1)
    assert (entry["prompt_tokens"], retry["prompt_tokens"]) == (3, 3)


async def test_shadows_are_counted_apart_and_no_tenant_is_told_or_charged(house: House) -> None:
    await house.publish("healthcare/triage", TRIAGE)
    await house.publish("healthcare/triage", TRIAGE, seed=1, live=False)
    key = await house.tenant("clinic", "healthcare")
    await house.admin("PUT", "/api/v1/tenants/clinic/limits", json={"tokens_per_minute": 1000})
    await house.admin("PUT", "/api/v1/adapters/healthcare/triage/channels/shadow", json={"release": 2, "weight": 100})
    await house.ask(key)
    await until(lambda: len(house.engine.requests) == 2)
    await until(lambda: not house.runtime.shadows._tasks)
    releases = await used(house, by="release")
    assert (releases["healthcare/triage@1"]["requests"], releases["healthcare/triage@2"]["requests"]) == (1, 0)
    shadow = releases["healthcare/triage@2"]["shadow"]
    assert shadow == counts(1, 3, releases["healthcare/triage@1"]["completion_tokens"])
    mine = (await house.client.get("/v1/usage", headers=bearer(key), params={"by": "release"})).json()["data"]
    assert [entry["release"] for entry in mine] == ["healthcare/triage@1"]
    left = int((await house.ask(key)).headers["x-ratelimit-remaining-tokens"])
    assert left == 1000 - 3 - shadow["completion_tokens"]


async def test_a_tenant_sees_its_own_use_and_nobody_elses(house: House, firm: str) -> None:
    bank = await house.tenant("bank", "legal")
    await house.ask(firm)
    for _ in range(2):
        await house.ask(bank)
    mine = (await house.client.get("/v1/usage", headers=bearer(firm), params={"tenant": "bank"})).json()
    assert mine == {"object": "list", "data": [{"adapter": "legal/notes", **counts(1, 3, 5)}]}
    assert (await house.client.get("/v1/usage")).status_code == 401
    assert (await house.client.get("/api/v1/usage", headers=bearer(firm))).status_code == 403


@pytest.mark.parametrize("asked", [{"by": "hour"}, {"since": "yesterday"}, {"adapter": "triage"}])
async def test_what_cannot_be_asked_is_said(house: House, asked: dict[str, str]) -> None:
    assert (await house.admin("GET", "/api/v1/usage", params=asked)).status_code == 400


async def test_the_report_adds_up_with_what_the_answers_said(house: House, firm: str) -> None:
    house.engine.reply = lambda body: Reply(" ".join(["word"] * (1 + len(house.engine.requests) % 7)))
    answers = await asyncio.gather(*(house.ask(firm, model=model) for model in ["legal", "base"] * 15))
    said = [answer.json()["usage"] for answer in answers]
    entry = (await used(house, since="2026-01-01", tenant="firm"))["firm"]
    assert entry == counts(30, *(sum(one[name] for one in said) for name in ("prompt_tokens", "completion_tokens")))


async def test_a_gateway_that_ends_has_stored_everything(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> None:
    async with running_house(tmp_path, *engine_at) as house:
        await house.publish("legal/notes", FREE_TEXT)
        key = await house.tenant("firm", "legal")
        await asyncio.gather(*(house.ask(key) for _ in range(20)))
        url = house.runtime.settings.database
    database = Database(url)
    (entry,) = report(database, "tenant").items
    database.close()
    assert entry["requests"] == 20
