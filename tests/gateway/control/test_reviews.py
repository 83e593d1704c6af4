"""Reviews through the door: a holding answer now, a person's decision later, told to whoever waits."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from postil.gateway.api.admin.schemas.reviews import show_review
from postil.plugins import Completion, FallbackRule, Hold, InputCheck, RequestContext, Verdict, hookimpl
from postil.plugins.signing import SIGNATURE
from postil.registry.reviews import reviews
from tests.fakes.http import Receive, Scope, Send, read_body, respond, serving
from tests.fakes.vllm import FakeVLLM, Reply
from tests.gateway.conftest import House, bearer, running_house, until

HELD = """
output: {labels: [symptoms, appointment, billing]}
validators: [{name: confidence, config: {minimum: 0.9}}]
fallback: [{name: hold}, {name: fixed_answer, config: {content: sorry}}]
"""


class Holds(FallbackRule):
    """Has a person decide."""

    name = "hold"

    def answer(self, context: RequestContext, completion: Completion, verdicts: Sequence[Verdict]) -> Hold:
        """Hold everything."""
        return Hold('{"category": "please wait"}')


class Watchful(InputCheck):
    """Lets everything in, and has a person look at pain."""

    name = "watchful"

    def check(self, context: RequestContext) -> Verdict:
        """Look for pain."""
        pain = "pain" in json.dumps(context.request)
        return Verdict.passed(notice="call somebody", review="pain") if pain else Verdict.passed()


class Plugin(SimpleNamespace):
    """Brings both."""

    @hookimpl
    def postil_fallback_rules(self) -> list[type[FallbackRule]]:
        return [Holds]

    @hookimpl
    def postil_input_checks(self) -> list[type[InputCheck]]:
        return [Watchful]


@pytest.fixture
async def unsure(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> AsyncIterator[House]:
    """A gateway whose model is never sure."""
    engine_at[0].reply = lambda body: Reply(logprob=-1.0)
    async with running_house(tmp_path, *engine_at, plugins=[Plugin()]) as house:
        yield house


async def held(house: House, policy: str = HELD) -> tuple[str, str]:
    """A clinic's key and the id of a review that its question opened."""
    await house.publish("healthcare/triage", policy)
    key = await house.tenant("clinic", "healthcare")
    response = await house.ask(key)
    assert response.json()["choices"][0]["message"]["content"] == '{"category": "please wait"}'
    assert response.headers["x-postil-fallback"].startswith("hold (confidence: ")
    return key, response.headers["x-postil-review"]


async def mine(house: House, key: str, review: str, wait: float = 0) -> httpx.Response:
    """A tenant looks at its review."""
    return await house.client.get(f"/v1/reviews/{review}", params={"wait": wait}, headers=bearer(key))


async def decide(house: House, review: str, action: str, **body: Any) -> httpx.Response:
    """Somebody decides."""
    return await house.admin("POST", f"/api/v1/reviews/{review}/{action}", json=body)


async def test_the_client_gets_the_holding_answer_and_then_the_decision(unsure: House) -> None:
    key, review = await held(unsure)
    waiting = (await mine(unsure, key, review)).json()
    assert (waiting["status"], waiting["answer"]) == ("open", '{"category": "please wait"}')
    assert (await decide(unsure, review, "edit", answer="billing")).status_code == 200
    done = (await mine(unsure, key, review)).json()
    assert (done["status"], done["answer"], done["release"]) == (
        "edited",
        '{"category": "billing"}',
        "healthcare/triage@1",
    )


async def test_whoever_waits_is_woken_by_the_decision(unsure: House) -> None:
    key, review = await held(unsure)
    waiting = asyncio.create_task(mine(unsure, key, review, wait=25))
    await until(lambda: bool(unsure.runtime.reviews.waiting))
    await decide(unsure, review, "approve")
    async with asyncio.timeout(10):
        assert (await waiting).json()["status"] == "approved"


async def test_a_wait_that_nobody_ends_ends_with_the_review_open(unsure: House) -> None:
    key, review = await held(unsure)
    assert (await mine(unsure, key, review, wait=0.05)).json()["status"] == "open"


AUDITED = f"{HELD}\nreviews: {{audit_percent: 100}}"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("text", ["my head hurts", "chest pain"])
async def test_what_an_admin_asks_by_number_is_a_trial_that_opens_no_review(
    unsure: House, stream: bool, text: str
) -> None:
    await unsure.publish("healthcare/triage", f"input: [{{name: watchful}}]\n{AUDITED}")
    key = await unsure.tenant("clinic", "healthcare", rights=("base", "numbers"))

    async def opened(who: str, model: str) -> tuple[bool, int]:
        answer = await unsure.ask(who, text, model=model, stream=stream)
        assert "please wait" in answer.text
        listed = (await unsure.admin("GET", "/api/v1/reviews")).json()["data"]
        return "x-postil-review" in answer.headers, len(listed)

    assert await opened(unsure.admin_key, "healthcare/triage@1") == (False, 0)
    told, before = await opened(unsure.admin_key, "healthcare/triage")
    assert (told, before > 0) == (True, True)
    told, after = await opened(key, "healthcare/triage@1")
    assert (told, after > before) == (True, True)


async def test_another_tenant_does_not_learn_that_there_is_such_a_review(unsure: House) -> None:
    key, review = await held(unsure)
    other = await unsure.tenant("other", "healthcare")
    assert (await unsure.ask(key)).headers["x-postil-review"] != review
    # Such as nobody has; whole ids of others; how they begin, which would tell them digit by digit.
    for who, which in (
        (other, review), (key, "f" * 32), (key, review[:10]), (other, review[:10]), (other, review[:4]),
        (other, "ffff"), (other, f"{review}0"), (other, review.upper() + "0"),
    ):  # fmt: skip
        response = await mine(unsure, who, which)
        assert response.status_code == 404
        assert response.json()["error"]["message"] == f"there is no review {which[:40]!r}"
    assert (await unsure.client.get(f"/v1/reviews/{review}")).status_code == 401
    assert (await unsure.client.get("/api/v1/reviews", headers=bearer(key))).status_code == 403


async def test_a_second_decision_is_refused(unsure: House) -> None:
    _, review = await held(unsure)
    assert (await decide(unsure, review, "approve")).status_code == 200
    refused = await decide(unsure, review, "reject")
    assert (refused.status_code, "was approved by admin" in refused.json()["detail"]) == (409, True)


async def test_an_answer_outside_the_policy_is_refused_and_leaves_it_open(unsure: House) -> None:
    key, review = await held(unsure)
    refused = await decide(unsure, review, "edit", answer="headache")
    assert refused.status_code == 400
    assert (await mine(unsure, key, review)).json()["status"] == "open"


async def test_a_notice_comes_with_the_answer_and_a_review_after_it(unsure: House) -> None:
    await unsure.publish("healthcare/triage", "input: [{name: watchful}]\noutput: {labels: [symptoms]}")
    key = await unsure.tenant("clinic", "healthcare")
    answer = await unsure.ask(key, "chest pain")
    assert answer.json()["choices"][0]["message"]["content"] == '{"category": "symptoms"}'
    assert answer.json()["postil"] == {"notice": "call somebody"}
    assert answer.headers["x-postil-notice"] == "call somebody"
    review = (await unsure.admin("GET", f"/api/v1/reviews/{answer.headers['x-postil-review']}")).json()
    assert (review["reason"], review["holding"], review["asked"]) == ("pain", None, "chest pain")
    calm = await unsure.ask(key, "an appointment please")
    assert "postil" not in calm.json()
    assert "x-postil-review" not in calm.headers


async def test_nothing_is_lost_over_a_restart(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> None:
    engine_at[0].reply = lambda body: Reply(logprob=-1.0)
    async with running_house(tmp_path, *engine_at, plugins=[Plugin()]) as house:
        key, review = await held(house)
    async with running_house(tmp_path, *engine_at, plugins=[Plugin()]) as house:
        assert (await mine(house, key, review)).json()["status"] == "open"
        await decide(house, review, "approve")
    async with running_house(tmp_path, *engine_at, plugins=[Plugin()]) as house:
        assert (await mine(house, key, review)).json()["status"] == "approved"


async def test_a_review_that_cannot_be_kept_is_not_promised(unsure: House) -> None:
    await unsure.publish("healthcare/triage", HELD)
    key = await unsure.tenant("clinic", "healthcare")
    with unsure.runtime.registry.database().engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE review RENAME TO elsewhere")
    response = await unsure.ask(key)
    assert response.json()["choices"][0]["message"]["content"] == "sorry"
    assert "x-postil-review" not in response.headers


TOLD = HELD + "reviews: {webhook: decisions}\n"


async def webhook(house: House, url: str) -> str:
    """Add the webhook that the policy names; returns its secret."""
    body = {"name": "decisions", "url": url, "domains": ["healthcare"], "allow_private": True}
    made = await house.admin("POST", "/api/v1/webhooks", json=body)
    assert made.status_code == 201, made.text
    return str(made.json()["secret"])


class Receiver:
    """A webhook that refuses the first ``refusals`` posts."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.took: list[tuple[dict[str, Any], dict[str, str], bytes]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        body = await read_body(receive)
        if self.refusals:
            self.refusals -= 1
            await respond(send, 503, b"")
            return
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.took.append((json.loads(body), headers, body))
        await respond(send, 200, b"")


async def test_a_webhook_is_told_of_the_decision_and_can_check_who_says_so(unsure: House) -> None:
    receiver = Receiver()
    async with serving(receiver) as url:
        secret = await webhook(unsure, f"{url}/decided")
        _, review = await held(unsure, TOLD)
        assert receiver.took == []
        await decide(unsure, review, "edit", answer="symptoms")
        await until(lambda: bool(receiver.took))
    told, headers, body = receiver.took[0]
    assert (told["id"], told["status"], told["answer"]) == (review, "edited", '{"category": "symptoms"}')
    assert headers["webhook-id"] == f"review_{review}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    assert "x-postil-signature" not in headers
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    assert headers[SIGNATURE] == "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


async def test_a_webhook_that_is_down_is_told_later(unsure: House) -> None:
    receiver = Receiver(refusals=1)
    async with serving(receiver) as url:
        await webhook(unsure, f"{url}/decided")
        _, review = await held(unsure, TOLD)
        await decide(unsure, review, "approve")
        await until(lambda: receiver.refusals == 0)
        with unsure.runtime.registry.database().engine.begin() as connection:
            connection.exec_driver_sql("UPDATE review SET next_try = decided_at")
        unsure.runtime.reviews.notify_decided()
        await until(lambda: bool(receiver.took))
        await until(lambda: "told at" in webhook_of(unsure, review))


def webhook_of(house: House, review: str) -> str:
    """How far telling a review's webhook has come."""
    return str(show_review(reviews.get(house.runtime.registry.database(), review)).webhook)


async def test_a_sample_of_what_passed_is_looked_at_afterwards(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> None:
    policy = "validators: [{name: labels, config: {labels: [symptoms]}}]\nreviews: {audit_percent: 100, assign_to: ann}"
    async with running_house(tmp_path, *engine_at) as house:
        await house.publish("healthcare/triage", policy)
        assert "x-postil-review" not in (await house.ask(await house.tenant("clinic", "healthcare"))).headers
    async with running_house(tmp_path, *engine_at) as house:
        (review,) = (await house.admin("GET", "/api/v1/reviews", params={"status": "open"})).json()["data"]
        review = (await house.admin("GET", f"/api/v1/reviews/{review['id']}")).json()
    assert (review["reason"], review["assigned_to"], review["holding"]) == ("audit", "ann", None)
    assert (review["drawn_by"], review["probability"]) == ("audit", 1.0)
