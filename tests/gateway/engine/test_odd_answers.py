"""Over HTTP: an engine that answers 200 with something else, or wants a key. The gateway says so, and goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from postil.gateway.engine.supervisor import Phase
from postil.gateway.server.bootstrap import build
from postil.gateway.server.lifecycle import Lifecycle
from postil.gateway.settings import Settings
from postil.plugins.manager import PluginManager
from tests.fakes.adapters import write_base
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import FREE_TEXT, TRIAGE, House, bearer, running_house, until

ODD = {
    "html": b"<html>Log in</html>",
    "an empty object": b"{}",
    "no choices": b'{"id":"1","choices":null}',
    "a list": b"[]",
    "a choice that is none": b'{"choices":["a"]}',
    "not utf-8": b"\xff\xfe",
    "too deep": b'{"choices":' + b"[" * 100_000,
}
# What is passed on unread if nobody judges it.
ODD_CHOICES = {
    "none": b'{"choices":[]}',
    "no message": b'{"choices":[{"index":0}]}',
    "no index": b'{"choices":[{"message":{"content":"x"}}]}',
    "content": b'{"choices":[{"index":0,"message":{"content":1}}]}',
    "calls": b'{"choices":[{"index":0,"message":{"content":"x","tool_calls":"x"}}]}',
    "tokens": b'{"choices":[{"index":0,"message":{"content":"x"},"logprobs":{"content":[{}]}}]}',
}


async def asked(house: House, key: str, path: str = "chat/completions", **body: Any) -> httpx.Response:
    told = {"prompt": "x"} if path == "completions" else {"messages": [{"role": "user", "content": "x"}]}
    return await house.client.post(f"/v1/{path}", headers=bearer(key), json={**told, **body})


@pytest.mark.parametrize("policy", [FREE_TEXT, TRIAGE.split("fallback")[0]], ids=["passed on", "judged"])
@pytest.mark.parametrize("path", ["chat/completions", "completions"])
async def test_an_engine_that_answers_200_with_something_else_is_a_503_and_the_next_answer_is_served(
    house: House, path: str, policy: str
) -> None:
    await house.publish("healthcare/triage", policy)
    key = await house.tenant("clinic", "healthcare")
    for odd in ODD.values():
        house.engine.odd = odd
        for stream in (False, True):
            answer = await asked(house, key, path, stream=stream)
            if stream and policy == FREE_TEXT:  # It has begun already: the error is its only event.
                assert answer.text.startswith('data: {"error":{"message":"the engine sent an answer that cannot')
                assert answer.text.count("\n\n") == 1
                continue
            assert answer.status_code == 503, answer.text
            assert answer.json()["error"]["message"] == "the engine sent an answer that cannot be read; ask again"
    house.engine.odd = None
    assert (await asked(house, key, path)).status_code == 200
    assert house.runtime.engine.phase is Phase.READY


@pytest.mark.parametrize("odd", ODD_CHOICES.values(), ids=ODD_CHOICES)
async def test_a_choice_of_another_shape_is_judged_by_nobody_and_what_the_policy_serves_on_errors_is_served(
    house: House, odd: bytes
) -> None:
    await house.publish("healthcare/triage", TRIAGE + "    when: [engine_error]\n")
    key = await house.tenant("clinic", "healthcare")
    house.engine.odd = odd
    answer = await asked(house, key)
    assert answer.status_code == 200, answer.text
    assert "needs_review" in answer.text
    assert "engine_error" in answer.headers["x-postil-fallback"]


async def test_a_gateway_with_the_engines_key_is_served_by_an_engine_that_wants_it_for_everything(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str], caplog: pytest.LogCaptureFixture
) -> None:
    engine_at[0].api_key = "s3cret-of-the-engine"
    async with running_house(tmp_path, *engine_at, engine_api_key="s3cret-of-the-engine") as house:
        await house.publish("healthcare/triage")
        key = await house.tenant("clinic", "healthcare")
        assert (await asked(house, key)).status_code == 200
        house.engine.api_key = "another"
        refused = await asked(house, key, model="base")
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "engine_key_refused"
        assert "POSTIL_ENGINE_API_KEY" in refused.json()["error"]["message"]
        status = (await house.admin("GET", "/api/v1/status")).text
        house.engine.api_key = "s3cret-of-the-engine"
    assert "s3cret-of-the-engine" not in f"{status} {refused.text} {caplog.text} {house.runtime.settings!r}"


@pytest.mark.parametrize("guarded", ["/", "/v1"])
async def test_an_engine_that_refuses_the_key_at_start_is_named_as_the_cause_at_once(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str], guarded: str
) -> None:
    engine_at[0].api_key, engine_at[0].guarded = "right", guarded
    told: list[str] = []
    settings = Settings(
        home=tmp_path / "home", base_model=str(write_base(tmp_path / "base")), engine_url=engine_at[1],
        engine_api_key=SecretStr("wrong"),
    )  # fmt: skip
    gateway = Lifecycle(build(settings, PluginManager(entry_points=False)), lambda step, text: told.append(text))
    gateway.start()
    try:
        await until(lambda: any("set POSTIL_ENGINE_API_KEY to one that it takes" in text for text in told))
    finally:
        await asyncio.shield(gateway.stop())
