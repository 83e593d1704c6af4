"""One request through the whole gateway, as a client sees it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.fakes.vllm import Reply
from tests.gateway.conftest import FREE_TEXT, House, bearer, until
from tests.support.streams import events_of, text_of


def content(answer: Any) -> str:
    """The text of the first choice."""
    return str(answer["choices"][0]["message"]["content"])


async def test_the_answer_names_the_adapter_and_its_release(house: House, clinic: str) -> None:
    response = await house.ask(clinic)
    assert response.status_code == 200
    assert response.json()["model"] == "healthcare/triage"
    assert response.headers["x-postil-release"] == "healthcare/triage@1"
    assert json.loads(content(response.json())) == {"category": "symptoms"}


async def test_the_policy_reaches_the_engine(house: House, clinic: str) -> None:
    await house.ask(clinic, "hello", max_tokens=3, temperature=0.9, seed=7)
    sent = house.engine.requests[-1]
    assert sent["messages"][0] == {"role": "system", "content": "Sort the message."}
    assert sent["messages"][1] == {"role": "user", "content": "hello"}
    assert sent["structured_outputs"]["choice"][0] == '{"category": "symptoms"}'
    assert (sent["max_tokens"], sent["temperature"], sent["seed"]) == (32, 0.9, 7)


async def test_the_engine_knows_the_weights_by_their_digest_only(house: House, clinic: str) -> None:
    await house.ask(clinic)
    model = house.engine.requests[-1]["model"]
    assert model.startswith("postil-")
    assert "triage" not in model
    assert model in house.engine.adapters


async def test_log_probabilities_are_shown_only_to_those_who_ask(house: House, clinic: str) -> None:
    silent, asked = await house.ask(clinic), await house.ask(clinic, logprobs=True)
    assert silent.json()["choices"][0]["logprobs"] is None
    assert asked.json()["choices"][0]["logprobs"]["content"]


async def test_an_unsure_label_becomes_a_review_and_says_why(house: House, clinic: str) -> None:
    house.engine.reply = lambda body: Reply('{"category": "billing"}', logprob=-1.0)
    response = await house.ask(clinic)
    assert json.loads(content(response.json())) == {"category": "needs_review"}
    assert response.headers["x-postil-fallback"] == "fixed_answer (confidence: probability 0.14 is below 0.50)"
    assert "billing" not in response.text


@pytest.mark.parametrize(
    "text", ['{"category": "sym', '{"category": "weather"}', "hello", '{"category": ["symptoms"]}', ""]
)
async def test_an_answer_outside_the_set_never_leaves(house: House, clinic: str, text: str) -> None:
    house.engine.reply = lambda body: Reply(text)
    response = await house.ask(clinic)
    assert json.loads(content(response.json())) == {"category": "needs_review"}
    assert response.headers["x-postil-fallback"].startswith("fixed_answer (labels: ")


async def test_every_choice_is_judged(house: House, clinic: str) -> None:
    house.engine.reply = lambda body: Reply("nonsense")
    response = await house.ask(clinic, n=3)
    said = [choice["message"]["content"] for choice in response.json()["choices"]]
    assert said == ['{"category": "needs_review"}'] * 3


async def test_asking_for_several_answers_is_asking_for_sampling(house: House, clinic: str) -> None:
    await house.ask(clinic, n=2)
    assert "temperature" not in house.engine.requests[-1]


async def test_a_judged_answer_streams_as_valid_events_to_the_end(house: House, clinic: str) -> None:
    response = await house.ask(clinic, stream=True, stream_options={"include_usage": True})
    chunks = events_of(response.text.splitlines())
    assert {chunk["model"] for chunk in chunks} == {"healthcare/triage"}
    assert json.loads(text_of(response.text.splitlines())) == {"category": "symptoms"}
    assert chunks[-1]["usage"]["completion_tokens"] > 0
    assert response.headers["x-postil-release"] == "healthcare/triage@1"


async def test_without_validators_the_stream_passes_through_under_the_public_name(house: House) -> None:
    await house.publish("legal/notes", FREE_TEXT)
    key = await house.tenant("firm", "legal")
    house.engine.reply = lambda body: Reply("one two three")
    response = await house.ask(key, stream=True)
    assert "postil-" not in response.text
    assert response.text.count('"model":"legal/notes"') == 5
    assert response.text.endswith("data: [DONE]\n\n")


async def test_the_base_answers_without_any_policy(house: House, clinic: str) -> None:
    house.engine.reply = lambda body: Reply("Paris")
    response = await house.ask(clinic, model="base", temperature=0.3)
    assert content(response.json()) == "Paris"
    assert response.headers["x-postil-release"] == "base"
    sent = house.engine.requests[-1]
    assert sent["model"] == "base"
    assert "structured_outputs" not in sent


async def test_text_completions_are_constrained_and_judged_too(house: House, clinic: str) -> None:
    body = {"prompt": "chest pain ->", "model": "healthcare"}
    response = await house.client.post("/v1/completions", headers=bearer(clinic), json=body)
    choice = response.json()["choices"][0]
    assert (choice["text"], choice["logprobs"]) == ('{"category": "symptoms"}', None)
    wishing = await house.client.post("/v1/completions", headers=bearer(clinic), json={**body, "logprobs": 0})
    assert wishing.json()["choices"][0]["logprobs"]["tokens"]
    house.engine.reply = lambda body: Reply("nonsense")
    response = await house.client.post("/v1/completions", headers=bearer(clinic), json={**body, "stream": True})
    assert '"text":"{\\"category\\": \\"needs_review\\"}"' in response.text


async def test_caches_are_shared_within_a_tenant_and_a_release_only(house: House, clinic: str) -> None:
    other = await house.tenant("other", "healthcare")
    for key in (clinic, clinic, other):
        await house.ask(key, cache_salt="mine")
    await house.ask(clinic, model="base")
    first, again, others, base = (request["cache_salt"] for request in house.engine.requests)
    assert first == again
    assert len({first, others, base, "mine"}) == 4


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "array"}}}}, "response_format"),
        ({"structured_outputs": {"json": {"type": "string"}}}, "structured_outputs"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
    ],
)
async def test_another_form_of_answer_is_refused_where_the_release_fixes_it(
    house: House, clinic: str, extra: dict[str, Any], param: str
) -> None:
    response = await house.ask(clinic, **extra)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param
    assert "base" in response.json()["error"]["message"]
    assert (await house.ask(clinic, model="base", **extra)).status_code == 200


async def test_json_object_is_met_by_the_constraint(house: House, clinic: str) -> None:
    assert (await house.ask(clinic, response_format={"type": "json_object"})).status_code == 200
    assert "response_format" not in house.engine.requests[-1]


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"{", "not JSON"),
        (b"[]", "JSON object"),
        (b'{"stream": "yes"}', "true or false"),
        (b'{"model": 3}', "a string"),
    ],
)
async def test_a_body_that_cannot_be_understood_is_told_so(house: House, clinic: str, raw: bytes, says: str) -> None:
    response = await house.client.post("/v1/chat/completions", headers=bearer(clinic), content=raw)
    assert response.status_code == 400
    assert says in response.json()["error"]["message"]


async def test_what_the_engine_refuses_is_passed_on_under_the_public_name(house: House) -> None:
    await house.publish("legal/notes", FREE_TEXT)
    key = await house.tenant("firm", "legal")
    response = await house.ask(key, n=2, temperature=0)
    assert response.status_code == 400
    assert "n must be 1 when using greedy sampling" in response.json()["error"]["message"]


async def test_a_body_over_the_limit_is_refused(house: House, clinic: str) -> None:
    response = await house.ask(clinic, "x" * (8 << 20))
    assert response.status_code == 413


async def test_a_client_that_leaves_is_cancelled_in_the_engine(house: House, clinic: str) -> None:
    house.engine.gate.clear()
    asking = asyncio.create_task(house.ask(clinic))
    await until(lambda: len(house.engine.requests) == 1)
    asking.cancel()
    await until(lambda: house.engine.cancelled == 1)


async def test_other_methods_are_not_taken(house: House) -> None:
    assert (await house.client.get("/v1/chat/completions")).status_code == 405


async def test_the_engine_is_asked_once_more_when_it_lost_the_adapter(house: House, clinic: str) -> None:
    house.engine.adapters.clear()
    response = await house.ask(clinic)
    assert response.status_code == 200
    assert len(house.engine.adapters) == 1
    await until(lambda: len(house.engine.requests) == 1)


BANNED = """
validators: [{name: blocklist, config: {phrases: [secret]}}]
fallback: [{name: fixed_answer, config: {content: held}}]
"""


def a_call(name: str, arguments: str) -> dict[str, Any]:
    """A message's one tool call."""
    return {"tool_calls": [{"id": "1", "type": "function", "function": {"name": name, "arguments": arguments}}]}


@pytest.mark.parametrize(
    "beside",
    [a_call("find", '{"q": "a secret word"}'), a_call("find", '{"q": "a \\u0073ecret word"}'), a_call("secret", "{}")],
    ids=["arguments", "escaped arguments", "name"],
)
async def test_a_forbidden_word_in_a_tool_call_never_leaves(house: House, beside: dict[str, Any]) -> None:
    house.engine.reply = lambda body: Reply("Let me look.", beside=beside)
    await house.publish("legal/notes", BANNED)
    response = await house.ask(await house.tenant("firm", "legal"))
    message = response.json()["choices"][0]["message"]
    assert message["content"] == "held"
    assert "ecret" not in json.dumps(message)
    assert "blocklist" in response.headers["x-postil-fallback"]


async def test_a_tool_call_that_says_nothing_forbidden_passes(house: House) -> None:
    calls = a_call("find", '{"q": "a word"}')
    house.engine.reply = lambda body: Reply("Let me look.", beside=calls)
    await house.publish("legal/notes", BANNED)
    response = await house.ask(await house.tenant("firm", "legal"))
    assert response.json()["choices"][0]["message"]["tool_calls"] == calls["tool_calls"]


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content", "refusal"])
async def test_what_is_said_beside_an_answer_that_is_judged_whole_does_not_leave(
    house: House, clinic: str, field: str
) -> None:
    house.engine.reply = lambda body: Reply(beside={field: "what nobody has judged"})
    response = await house.ask(clinic)
    assert response.status_code == 200
    assert "nobody has judged" not in response.text


async def test_an_engine_that_loses_an_adapter_twice_does_not_tell_its_inner_name(house: House, clinic: str) -> None:
    house.engine.forgets = True
    response = await house.ask(clinic)
    assert response.status_code == 503
    assert "postil-" not in response.text
    assert "healthcare/triage" in response.text
