"""One id goes with a request: from its client to the engine, the log and the review, and back on every answer."""

from __future__ import annotations

import io
import logging
from typing import Any

import openai
import pytest
from rich.console import Console

from postil.gateway.telemetry.logging import log_to
from postil.gateway.telemetry.request_id import REQUEST_ID
from tests.fakes.vllm import Reply
from tests.gateway.conftest import House, bearer

ASKED = {"messages": [{"role": "user", "content": "x"}]}


async def test_an_id_goes_to_the_engine_and_comes_back(house: House, clinic: str) -> None:
    headers = {**bearer(clinic), "X-Request-Id": "from-the-client"}
    for stream in (False, True):
        house.engine.named.clear()
        response = await house.client.post("/v1/chat/completions", headers=headers, json={**ASKED, "stream": stream})
        assert response.status_code == 200, response.text
        assert response.headers["x-request-id"] == "from-the-client"
        assert {*house.engine.named} == {"from-the-client"}


async def test_a_request_without_an_id_gets_one_which_the_engine_hears(house: House, clinic: str) -> None:
    house.engine.named.clear()
    first, second = await house.ask(clinic), await house.ask(clinic)
    assert [*dict.fromkeys(house.engine.named)] == [each.headers["x-request-id"] for each in (first, second)]
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


async def test_every_answer_has_one_errors_too(house: House) -> None:
    for method, path in (
        *(("GET", path) for path in ("/v1/models", "/v1/nothing", "/health/live", "/api/v1/status", "/")),
        *(("DELETE", "/v1/models"), ("POST", "/v1/chat/completions"), ("POST", "/api/v1/tenants")),
    ):
        response = await house.client.request(method, path, headers={"X-Request-Id": "mine"})
        assert response.headers["x-request-id"] == "mine", response.status_code
        assert response.headers["date"]


async def test_the_client_of_openai_knows_it(house: House, clinic: str) -> None:
    client = openai.AsyncOpenAI(base_url=f"{house.url}/v1", api_key=clinic, max_retries=0)
    answer: Any = await client.chat.completions.create(
        model="healthcare/triage",
        messages=[{"role": "user", "content": "x"}],
        extra_headers={"X-Request-Id": "mine"},
    )
    assert answer._request_id == "mine"
    with pytest.raises(openai.NotFoundError) as caught:
        await client.chat.completions.create(model="healthcare/none", messages=[{"role": "user", "content": "x"}])
    assert caught.value.request_id
    assert caught.value.request_id.startswith("req-")
    await client.close()


async def test_a_review_names_the_request_that_it_is_of(house: House, clinic: str) -> None:
    house.engine.reply = lambda body: Reply('{"category": "billing"}', logprob=-1.0)
    policy = """
output: {labels: [symptoms, billing]}
validators:
  - name: confidence
    config: {minimum: 0.5}
fallback:
  - name: review
    config: {content: wait}
"""
    await house.publish("healthcare/triage", policy, seed=1)
    headers = {**bearer(clinic), "X-Request-Id": "mine"}
    response = await house.client.post("/v1/chat/completions", headers=headers, json=ASKED)
    review = response.headers["x-postil-review"]
    assert (await house.admin("GET", f"/api/v1/reviews/{review}")).json()["request_id"] == "mine"
    listed = (await house.admin("GET", "/api/v1/reviews")).json()["data"]
    assert [each["request_id"] for each in listed] == ["mine"]


def test_a_line_of_the_log_names_the_request_and_repeats_are_still_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])
    written = io.StringIO()
    log_to(Console(file=written, width=200))
    log = logging.getLogger("tests.request_id")
    token = REQUEST_ID.set("mine")
    try:
        log.warning("a line")
    finally:
        REQUEST_ID.reset(token)
    log.warning("a line")
    log.warning("another line")
    told = written.getvalue()
    assert "a line [mine]" in told
    assert told.count("a line") == 1
    assert "another line [" not in told
