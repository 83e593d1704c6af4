"""A policy that the engine refuses is refused before it is live, and is never the client's fault after."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from postil.gateway.inference.policy_trial import ASKED_BY
from tests.fakes.adapters import write_adapter
from tests.gateway.conftest import FREE_TEXT, House, until

NAME = "healthcare/triage"
# What no check at publish knows, and the engine does not take.
ODD = "defaults: {allowed_token_ids: [999999]}"
FALLBACK = """
fallback: [{name: fixed_answer, when: [engine_error], config: {content: later}}]
"""
LENGTHS = ", ".join(f"f{index}: {{type: string, maxLength: {200 + index}}}" for index in range(60))
SLOW = f"output: {{json_schema: {{properties: {{{LENGTHS}}}}}}}"


def refuse(house: House) -> list[dict[str, Any]]:
    """From now on the engine knows no such token; returns the gateway's own requests that it refused."""
    trials: list[dict[str, Any]] = []

    def says(body: dict[str, Any]) -> str | None:
        if "allowed_token_ids" not in body:
            return None
        if body.get("user") == ASKED_BY:
            trials.append(body)
        return "token_id 999999 is out of vocabulary"

    house.engine.refuses = says
    return trials


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ("sampling: {top_p: 2}", "top_p"),
        ("sampling: {temperature: hot}", "temperature"),
        ("sampling: {stop: 5}", "stop"),
        ("output: {json_schema: {type: array, uniqueItems: true}}", "uniqueItems"),
        ("output: {json_schema: {properties: {a: {type: integer, minimum: 5, maximum: 2}}}}", "minimum is more"),
        (SLOW, "seconds to compile"),
    ],
)
async def test_a_policy_with_which_every_request_would_fail_is_not_published(
    house: House, policy: str, says: str
) -> None:
    refused = await house.upload(NAME, write_adapter(house.folder / "a"), policy)
    assert refused.status_code == 422
    assert says in refused.json()["detail"]


async def test_a_schema_without_ends_is_published_with_a_warning(house: House) -> None:
    schema = "output: {json_schema: {type: object, properties: {a: {type: string}}}}"
    made = await house.upload(NAME, write_adapter(house.folder / "a"), schema)
    assert made.status_code == 201, made.text
    assert "strings without maxLength" in made.json()["warnings"][0]


@pytest.mark.parametrize("dry_run", [True, False])
async def test_promote_asks_the_release_once_and_says_what_the_engine_says(house: House, dry_run: bool) -> None:
    number = await house.publish(NAME, ODD, live=False)
    refuse(house)
    body: dict[str, Any] = {"release": number, "dry_run": dry_run}
    refused = await house.admin("POST", f"/api/v1/adapters/{NAME}/promote", json=body)
    assert refused.status_code == 422
    assert "token_id 999999 is out of vocabulary" in refused.json()["detail"]
    assert house.runtime.catalog.current.entries[NAME].live is None


async def test_a_promoted_release_was_asked_under_its_policy(house: House) -> None:
    await house.publish(NAME)
    (trial,) = house.engine.trials
    assert trial["structured_outputs"]["choice"]
    assert (trial["user"], trial["max_tokens"]) == (ASKED_BY, 16)


async def test_a_label_that_no_answer_has_room_for_is_not_promoted(house: House) -> None:
    label = "a label of many words that takes a good many tokens"
    few = f"sampling: {{max_tokens: 8}}\noutput: {{labels: [{label}]}}"
    number = await house.publish(NAME, few, live=False)  # An engine that tells no tokens.
    house.engine.template = lambda body: []
    refused = await house.admin("POST", f"/api/v1/adapters/{NAME}/promote", json={"release": number})
    assert refused.status_code == 422
    assert "has 16 tokens, and sampling.max_tokens is 8" in refused.json()["detail"]
    at_publish = await house.upload(NAME, write_adapter(house.folder / "few", seed=1), few)
    assert at_publish.status_code == 422
    assert "has 16 tokens, and sampling.max_tokens is 8" in at_publish.json()["detail"]
    assert await house.publish(NAME, f"sampling: {{max_tokens: 16}}\noutput: {{labels: [{label}]}}") == 2


async def test_what_the_engine_refuses_of_a_policy_is_an_engine_error_and_not_the_clients(house: House) -> None:
    await house.publish(NAME, ODD)
    await house.publish("legal/clause", ODD + FALLBACK)
    key, firm = await house.tenant("clinic", "healthcare"), await house.tenant("firm", "legal")
    trials = refuse(house)
    for _ in range(3):
        answer = await house.ask(key)
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "policy_refused")
    fallen = await house.ask(firm)
    assert fallen.json()["choices"][0]["message"]["content"] == "later"
    assert len(trials) == 2  # One for each release; what was found stands for a minute.


async def test_a_trial_that_the_engine_does_not_answer_holds_up_no_other_release(house: House) -> None:
    await house.publish(NAME, FREE_TEXT + "\nsystem_prompt: slow")
    await house.publish("legal/clause", FREE_TEXT + "\nsystem_prompt: fast")
    key, firm = await house.tenant("clinic", "healthcare"), await house.tenant("firm", "legal")
    engine = house.engine
    engine.trials.clear()
    engine.refuses = lambda body: None if body.get("user") == ASKED_BY else "the prompt is odd"
    engine.holds_trial = lambda body: "slow" in str(body["messages"])
    engine.gate.clear()
    waiting = [asyncio.create_task(house.ask(key)) for _ in range(3)]
    await until(lambda: len(engine.trials) == 1)
    async with asyncio.timeout(5):
        answer = await house.ask(firm)
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "the prompt is odd")
    assert not any(each.done() for each in waiting)
    waiting[0].cancel()  # Its client has hung up; the others wait on.
    engine.gate.set()
    assert [(await each).status_code for each in waiting[1:]] == [400, 400]
    assert len(engine.trials) == 2  # One for each release.


async def test_what_the_engine_refuses_of_a_request_stays_the_clients(house: House) -> None:
    await house.publish(NAME, FREE_TEXT + "\ndefaults: {temperature: 0}")
    key = await house.tenant("clinic", "healthcare")
    house.engine.refuses = lambda body: "the prompt is too long" if len(str(body["messages"])) > 5000 else None
    answer = await house.ask(key, "a" * 6000)
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "the prompt is too long")
    assert (await house.ask(key)).status_code == 200
